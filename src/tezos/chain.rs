//! Chain identifiers. Which chains may be signed for is configuration and not known here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::base58::{self, Base58Error, Kind};

const KIND: Kind = Kind::new(&[0x57, 0x52, 0x00], 4);

/// The four bytes that name a chain; as text `Net...`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainId([u8; 4]);

impl ChainId {
    /// Tezos mainnet, `NetXdQprcVkpaWU`.
    pub const MAINNET: Self = Self([0x7a, 0x06, 0xa7, 0x70]);

    /// The chain with these bytes; every value is possible.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand in a payload.
    #[must_use]
    pub const fn bytes(self) -> [u8; 4] {
        self.0
    }
}

/// Why a text is not a chain identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a chain id of the form NetX...")]
pub struct ChainIdError(#[source] Base58Error);

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base58::encode(KIND, &self.0))
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainId({self})")
    }
}

impl FromStr for ChainId {
    type Err = ChainIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ((), body) = base58::decode(text, &[(KIND, ())]).map_err(ChainIdError)?;
        let bytes = body
            .try_into()
            .map_err(|_| ChainIdError(Base58Error::UnknownPrefix))?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for ChainId {
    type Error = ChainIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ChainId> for String {
    fn from(chain: ChainId) -> Self {
        chain.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mainnet_prints_and_parses() {
        assert_eq!(ChainId::MAINNET.to_string(), "NetXdQprcVkpaWU");
        assert_eq!("NetXdQprcVkpaWU".parse(), Ok(ChainId::MAINNET));
    }

    #[test]
    fn json_is_the_text_form() {
        let json = serde_json::to_string(&ChainId::MAINNET).unwrap();
        assert_eq!(json, "\"NetXdQprcVkpaWU\"");
        assert_eq!(
            serde_json::from_str::<ChainId>(&json).unwrap(),
            ChainId::MAINNET
        );
        assert!(serde_json::from_str::<ChainId>("\"NetXdQprcVkpaWV\"").is_err());
    }

    #[test]
    fn a_key_hash_is_not_a_chain() {
        assert!(
            "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb"
                .parse::<ChainId>()
                .is_err()
        );
    }
}
