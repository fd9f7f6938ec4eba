//! What a hub calls contents by: their hash, which is their name in the cache and how they are checked.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::files::{hash_of, open_regular};

/// The hash of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ContentHash {
    /// Git's, of a small file: the SHA-1 of `blob SIZE\0` and the content; 40 hexadecimal digits.
    Git(String),
    /// The SHA-256 of a large file; 64 hexadecimal digits.
    Sha256(String),
}

impl ContentHash {
    /// The hash that an ETag holds, if it does: `"digits"` or `W/"digits"`.
    pub(super) fn of_tag(tag: &str) -> Option<Self> {
        let tag = tag.trim();
        let digits = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').to_ascii_lowercase();
        let is_hash = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match digits.len() {
            40 if is_hash => Some(Self::Git(digits)),
            64 if is_hash => Some(Self::Sha256(digits)),
            _ => None,
        }
    }

    /// Whether there is a file at `path` of which this is the hash.
    ///
    /// # Errors
    /// If what is there cannot be read.
    pub(super) fn is_of(&self, path: &Path) -> io::Result<bool> {
        match open_regular(path) {
            Ok(file) => Ok(self.same_of(file.metadata()?.len(), file)? == *self),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The hash of this kind of `content`, which is `size` bytes long.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn same_of(&self, size: u64, content: impl Read) -> io::Result<Self> {
        Ok(match self {
            Self::Git(_) => Self::Git(hash_of(Sha1::new_with_prefix(format!("blob {size}\0")), content)?.0),
            Self::Sha256(_) => Self::Sha256(hash_of(Sha256::new(), content)?.0),
        })
    }
}

/// Its digits; in the alternate form behind what they are.
impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, digits) = match self {
            Self::Git(digits) => ("git hash ", digits),
            Self::Sha256(digits) => ("SHA-256 ", digits),
        };
        write!(f, "{}{digits}", if f.alternate() { kind } else { "" })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn contents_have_the_hashes_of_git_and_sha256sum() {
        // Expected values: printf 'hello\n' | git hash-object --stdin, and | sha256sum.
        let git = ContentHash::of_tag("\"CE013625030ba8dba906f756967f9e9ca394464a\"").unwrap();
        assert_eq!(git.same_of(6, &b"hello\n"[..]).unwrap(), git);
        assert_ne!(git.same_of(6, &b"Hello\n"[..]).unwrap(), git);
        let digits = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        let sha256 = ContentHash::of_tag(&format!("W/\"{digits}\"")).unwrap();
        assert_eq!(sha256.same_of(6, &b"hello\n"[..]).unwrap().to_string(), digits);
    }

    #[test]
    fn a_tag_that_is_no_hash_names_nothing() {
        for tag in [
            "",
            "\"\"",
            "../../../../.bashrc",
            "/etc/passwd",
            "\"ce013625030ba8dba906f756967f9e9ca394464\"",
            "\"ce013625030ba8dba906f756967f9e9ca394464a-2\"",
            "\"ce013625030ba8dba906f756967f9e9ca39446/a\"",
            "\"ce013625030ba8dba906f756967f9e9ca394464g\"",
            "\"ce013625030ba8dba906f756967f9e9ca39446\u{0661}\"",
        ] {
            assert_eq!(ContentHash::of_tag(tag), None, "{tag}");
        }
    }
}
