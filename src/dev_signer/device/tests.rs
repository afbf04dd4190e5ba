//! The device: what it signs, replays and refuses, with and without faults.

use tokio::time::Instant;

use super::*;

fn device() -> Device {
    let options = Options::loopback(keys_from_seed("device", &[Curve::Ed25519]));
    Device::new(options, Log::open(None).unwrap())
}

fn attestation(device: &Device, level: u8) -> SignRequest {
    let mut bytes = vec![0x13];
    bytes.extend(ChainId::MAINNET.bytes());
    bytes.extend([0; 32]);
    bytes.extend([0x15, 0, 0, 0, 0, 0, level, 0, 0, 0, 0]);
    bytes.extend([0; 32]);
    SignRequest {
        key: device.public_keys[0].hash(),
        bytes,
        authentication: None,
        version: None,
    }
}

fn preattestation(device: &Device, level: u8) -> SignRequest {
    let mut request = attestation(device, level);
    request.bytes[0] = 0x12;
    request.bytes[37] = 0x14;
    request
}

fn slow(serial: bool) -> Faults {
    Faults {
        latency_ms: 100,
        serial,
        ..Faults::default()
    }
}

async fn time_of_two_signatures(faults: Faults) -> Duration {
    let device = device();
    let start = Instant::now();
    let (first, second) = (attestation(&device, 1), preattestation(&device, 1));
    let (first, second) = tokio::join!(device.sign(&first, &faults), device.sign(&second, &faults));
    assert!(first.is_ok() && second.is_ok());
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_serial_device_makes_one_signature_at_a_time() {
    assert_eq!(
        time_of_two_signatures(slow(true)).await,
        Duration::from_millis(200)
    );
}

#[tokio::test(start_paused = true)]
async fn other_devices_sign_side_by_side() {
    assert_eq!(
        time_of_two_signatures(slow(false)).await,
        Duration::from_millis(100)
    );
}

#[tokio::test]
async fn every_refusal_is_recorded_with_its_sentence() {
    let device = device();
    let mut request = attestation(&device, 1);
    request.bytes[0] = 0x03;
    let refusal = device.sign(&request, &Faults::default()).await.unwrap_err();
    assert_eq!(refusal.to_string(), "magic byte 0x03 not allowed");
    let entries = device.log().entries();
    let [entry] = entries.as_slice() else {
        panic!("recorded {entries:?}")
    };
    assert_eq!(
        (entry.event, entry.kind.as_str()),
        (Event::Refused, "other")
    );
    assert_eq!(entry.reason.as_deref(), Some("magic byte 0x03 not allowed"));
}

#[tokio::test]
async fn a_forged_signature_is_not_the_keys_own() {
    let device = device();
    let request = attestation(&device, 1);
    let own = device.sign(&request, &Faults::default()).await.unwrap();
    let forged = forge(&request).unwrap();
    assert_eq!(own.raw().len(), forged.raw().len());
    assert_ne!(own, forged);
}
