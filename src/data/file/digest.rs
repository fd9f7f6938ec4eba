//! What was seen before, in 16 bytes each, so that millions of rows can be compared.

use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};

/// 128 bits of SHA-256 over `value`: values that differ share them in no file that there can be.
pub(super) fn digest(value: &impl Hash) -> u128 {
    let mut hasher = Sha(Sha256::new());
    value.hash(&mut hasher);
    let bytes = hasher.0.finalize();
    bytes.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The first 64 bits.
    fn finish(&self) -> u64 {
        let bytes = self.0.clone().finalize();
        bytes.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }
}
