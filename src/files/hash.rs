//! Hashes of what files hold.

use std::io::{self, ErrorKind, Read};

use sha2::Digest;

/// The hexadecimal digits that `hash` comes to over `content`, and how many bytes that is.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn hash_of(mut hash: impl Digest, mut content: impl Read) -> io::Result<(String, u64)> {
    let (mut size, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok((hex::encode(hash.finalize()), size)),
            Ok(n) => {
                hash.update(&buffer[..n]);
                size += n as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
