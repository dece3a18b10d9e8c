//! From nothing to a looked-over gateway, as a person at a terminal does it: `init`, start, `doctor`, `top`, one more key.

use crate::harness::{free_address, upstream_of};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_gets_from_nothing_to_a_healthy_gateway() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("conf")).unwrap();
    fs::copy(root.join("conf/tollgate.yaml"), folder.path().join("conf/tollgate.yaml")).unwrap();
    let upstream = upstream_of(&[("typed-maas-key-0001", "ok"), ("typed-maas-key-0002", "ok")]).await;
    let mut person = Command::new("python3");
    person.arg(root.join("tests/it/first_run.py")).arg(crate::harness::program()).arg(folder.path());
    person.args([upstream.base_url(), free_address().port().to_string()]).stdin(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || person.output()).await.unwrap();
    let ended = match ended {
        Ok(ended) => ended,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("left out, for want of python3: run tests/run needs");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let read = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ended.status.success(), "{}{}", read(&ended.stdout), read(&ended.stderr));
    eprintln!("{}", read(&ended.stdout).trim());
}
