//! The environment that a program gets: this process's, without secrets.
//!
//! Variables are known by their names, whatever they hold: a proxy's address may have a login and stays.

use std::process::Command;

use crate::mask;

/// Variables that every program gets: no secrets, although some are called so, and what it could hardly do without, should an
/// address name it.
#[rustfmt::skip]
const USUAL: [&str; 8] = [
    "PWD", "TOKENIZERS_PARALLELISM", "DBUS_SESSION_BUS_ADDRESS", "PATH", "HOME", "USER", "LOGNAME", "HOSTNAME",
];

/// Takes from `command` the variables that are called like a token or a key, and those `withheld`; but for those `passed`.
pub fn withhold(command: &mut Command, withheld: &[String], passed: &[String]) {
    for (name, _) in std::env::vars_os() {
        if is_withheld(&name.to_string_lossy(), withheld, passed) {
            command.env_remove(&name);
        }
    }
}

fn is_withheld(name: &str, withheld: &[String], passed: &[String]) -> bool {
    let is_of = |names: &[String]| names.iter().any(|other| other == name);
    (mask::is_secret(name) || is_of(withheld)) && !USUAL.contains(&name) && !is_of(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of variables, blanks between them.
    const SECRET: &str = "HF_TOKEN HF_TOKEN_PATH HUGGING_FACE_HUB_TOKEN OPENAI_API_KEY WANDB_API_KEY AWS_ACCESS_KEY_ID \
        AWS_SECRET_ACCESS_KEY GOOGLE_APPLICATION_CREDENTIALS PASSWORD grader_password MYSQL_PWD SSH_AUTH_SOCK";
    const HARMLESS: &str = "PATH HOME USER LOGNAME SHELL PWD OLDPWD TMPDIR LANG LC_ALL TZ TERM LD_LIBRARY_PATH LD_PRELOAD \
        PYTHONPATH PYTHONHOME PYTHONHASHSEED VIRTUAL_ENV CONDA_PREFIX CUDA_VISIBLE_DEVICES CUDA_HOME CUDA_PATH \
        CUDA_LAUNCH_BLOCKING CUDA_DEVICE_ORDER CUDA_CACHE_PATH NVIDIA_VISIBLE_DEVICES NCCL_DEBUG HTTP_PROXY http_proxy \
        HTTPS_PROXY https_proxy NO_PROXY no_proxy ALL_PROXY SSL_CERT_FILE REQUESTS_CA_BUNDLE HF_HOME HF_HUB_OFFLINE \
        TOKENIZERS_PARALLELISM OMP_NUM_THREADS RAYON_NUM_THREADS XDG_RUNTIME_DIR XDG_CACHE_HOME DBUS_SESSION_BUS_ADDRESS \
        GIT_AUTHOR_NAME RLCREDIT_GRADER";

    #[test]
    fn variables_with_secrets_are_known_by_their_names() {
        for name in SECRET.split_whitespace() {
            assert!(is_withheld(name, &[], &[]), "{name}");
            assert!(!is_withheld(name, &[], &[name.to_owned()]), "{name}");
        }
        for name in HARMLESS.split_whitespace() {
            assert!(!is_withheld(name, &[], &[]), "{name}");
        }
    }

    #[test]
    fn what_an_address_names_is_kept_back_unless_no_program_could_do_without_it() {
        let named = ["GRADER_LOGIN", "PATH", "USER"].map(str::to_owned);
        assert!(is_withheld("GRADER_LOGIN", &named, &[]));
        assert!(!is_withheld("GRADER_LOGIN", &named, &named));
        assert!(!is_withheld("PATH", &named, &[]) && !is_withheld("USER", &named, &[]));
        assert!(!is_withheld("GRADER_HOST", &named, &[]));
    }
}
