//! The control port: reads and turns the fault switches, shows the log and the counts.
//!
//! Plain HTTP with JSON, without authentication: it binds to loopback unless the signer is forced. Faults
//! never strike it.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use serde::Serialize;

use super::answer::{self, Answer};
use super::connection::{self, Dropped, read};
use super::device::Device;
use super::faults::Faults;
use super::listener::Listener;
use crate::task::Tasks;

/// Serves the control port until the tasks shut down.
pub(super) async fn run(listener: Listener, device: Arc<Device>, tasks: Tasks) {
    let connect = |link| {
        let device = Arc::clone(&device);
        let service = service_fn(move |request| handle(Arc::clone(&device), request));
        Some(connection::serve(link, service, tasks.shutdown()))
    };
    connection::run(&listener, &tasks, "dev-signer-control-connection", connect).await;
}

async fn handle(device: Arc<Device>, request: Request<Incoming>) -> Result<Answer, Dropped> {
    let method = request.method().clone();
    Ok(match (&method, request.uri().path()) {
        (&Method::GET, "/" | "/faults") => show(&device.switches().current()),
        (&Method::PATCH | &Method::POST, "/" | "/faults") => {
            let body = read(request.into_body()).await?;
            change(&device, body)
        }
        (&Method::DELETE, "/" | "/faults") => {
            device.switches().set(Faults::default());
            show(&device.switches().current())
        }
        (&Method::GET, "/signed") => show(&device.log().entries()),
        (&Method::GET, "/counts") => show(&device.counters().read()),
        (_, "/" | "/faults" | "/signed" | "/counts") => {
            answer::empty(StatusCode::METHOD_NOT_ALLOWED)
        }
        _ => answer::empty(StatusCode::NOT_FOUND),
    })
}

fn change(device: &Device, body: Option<Bytes>) -> Answer {
    let Some(body) = body else {
        return answer::empty(StatusCode::PAYLOAD_TOO_LARGE);
    };
    match device.switches().change(&body) {
        Ok(faults) => show(&faults),
        Err(error) => answer::malformed(format!("{error}\n")),
    }
}

fn show<T: Serialize>(value: &T) -> Answer {
    match serde_json::to_string(value) {
        Ok(text) => answer::json(text + "\n"),
        Err(error) => answer::failure(&error.to_string()),
    }
}
