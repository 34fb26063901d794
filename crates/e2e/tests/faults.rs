//! Every step of the relay with the other side killed, frozen or replaced, and memory that is not as it should be.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::{Viewer, pattern};
use rustix::process::Signal;
use testkit::process::Process;
use testkit::programs::{self, SharedFile};

/// Far more than anything here should take, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
const FREEZE: Duration = Duration::from_secs(3);

#[test]
fn a_client_survives_its_host_and_takes_up_its_successor_of_any_version() -> anyhow::Result<()> {
    let shm = SharedFile::create(32)?;
    let mut viewer = Viewer::headless(&shm)?;
    viewer.expect_missing("", LIMIT)?;
    for version in [20, 19, 16, 20] {
        let host = pattern(&shm, &[&format!("app:kvmfrVersion={version}")])?;
        viewer.expect_frames(LIMIT)?;
        host.signal(Signal::KILL);
        drop(host);
        viewer.expect_missing("", LIMIT)?;
    }
    Ok(())
}

#[test]
fn a_host_that_freezes_and_thaws_is_waited_for() -> anyhow::Result<()> {
    let shm = SharedFile::create(32)?;
    let host = pattern(&shm, &[])?;
    let mut viewer = Viewer::headless(&shm)?;
    viewer.expect_frames(LIMIT)?;
    host.signal(Signal::STOP);
    viewer.expect_missing("", LIMIT)?;
    std::thread::sleep(FREEZE);
    host.signal(Signal::CONT);
    viewer.expect_frames(LIMIT)?;
    Ok(())
}

#[test]
fn a_client_that_freezes_and_thaws_goes_on() -> anyhow::Result<()> {
    let shm = SharedFile::create(32)?;
    for version in [20, 19, 16] {
        let mut host = pattern(&shm, &[&format!("app:kvmfrVersion={version}")])?;
        let mut frozen = Viewer::headless(&shm)?;
        let mut other = Viewer::headless(&shm)?;
        frozen.expect_frames(LIMIT)?;
        frozen.process.signal(Signal::STOP);
        std::thread::sleep(FREEZE);
        other.expect_frames(LIMIT)?;
        frozen.process.signal(Signal::CONT);
        frozen.expect_frames(LIMIT)?;
        other.expect_frames(LIMIT)?;
        assert!(!host.has_ended(), "{}", host.output());
    }
    Ok(())
}

#[test]
fn a_killed_client_leaves_the_host_idle_and_ready_for_the_next() -> anyhow::Result<()> {
    let shm = SharedFile::create(32)?;
    let host = pattern(&shm, &[])?;
    for _ in 0..3 {
        let mut viewer = Viewer::headless(&shm)?;
        viewer.expect_frames(LIMIT)?;
        viewer.process.signal(Signal::KILL);
    }
    // Evicted after a second, the dead ones must not keep the host drawing.
    let cpu = |host: &Process| host.cpu_seconds().unwrap_or(f64::MAX);
    std::thread::sleep(Duration::from_secs(2));
    let is_idle = testkit::wait_until(LIMIT, || {
        let before = cpu(&host);
        std::thread::sleep(Duration::from_secs(1));
        cpu(&host) - before <= 0.03
    });
    assert!(is_idle, "the host still works for nobody");
    let mut viewer = Viewer::headless(&shm)?;
    viewer.expect_frames(LIMIT)?;
    Ok(())
}

#[test]
fn both_programs_end_cleanly_on_signals() -> anyhow::Result<()> {
    let shm = SharedFile::create(32)?;
    let mut host = pattern(&shm, &[])?;
    let mut viewer = Viewer::headless(&shm)?;
    viewer.expect_frames(LIMIT)?;
    for (name, process) in [("client", &mut viewer.process), ("host", &mut host)] {
        process.signal(Signal::TERM);
        let status = process.wait(LIMIT);
        assert!(
            status.is_some_and(|s| s.success()),
            "{name}: {status:?}\n{}",
            process.output()
        );
    }
    Ok(())
}

#[test]
fn memory_that_shrinks_under_both_programs_is_an_error_and_not_a_death() -> anyhow::Result<()> {
    let shm = SharedFile::create(32)?;
    let host = pattern(&shm, &[])?;
    let mut viewer = Viewer::headless(&shm)?;
    viewer.expect_frames(LIMIT)?;
    OpenOptions::new()
        .write(true)
        .open(shm.path())?
        .set_len(4096)?;
    viewer.expect_missing("", LIMIT)?;
    assert!(!host.output().contains("panicked"), "{}", host.output());
    drop(host);
    OpenOptions::new()
        .write(true)
        .open(shm.path())?
        .set_len(32 << 20)?;
    let _successor = pattern(&shm, &[])?;
    viewer.expect_frames(LIMIT)?;
    Ok(())
}

#[test]
fn memory_that_a_new_machine_makes_anew_is_opened_anew() -> anyhow::Result<()> {
    let shm = SharedFile::create(32)?;
    let host = pattern(&shm, &[])?;
    let mut viewer = Viewer::headless(&shm)?;
    viewer.expect_frames(LIMIT)?;
    drop(host);
    std::fs::remove_file(shm.path())?;
    viewer.expect_missing("", LIMIT)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(shm.path())?
        .set_len(64 << 20)?;
    let _successor = pattern(&shm, &[])?;
    viewer.expect_frames(LIMIT)?;
    Ok(())
}

/// Runs the client on a file and returns its status and what it said.
fn refused(file: &Path, user: Option<&str>) -> anyhow::Result<(Option<i32>, String)> {
    let client = programs::path("looking-glass-client")?;
    let mut command = match user {
        None => Command::new(client),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={user}"), format!("--regid={user}")]);
            command.arg("--clear-groups").arg(client);
            command
        }
    };
    command.arg(format!("app:shmFile={}", file.display()));
    command.args(["--headless", "--allow-root", "spice:enable=no"]);
    let mut process = Process::start(&mut command)?;
    let status = process.wait(LIMIT);
    Ok((status.and_then(|status| status.code()), process.output()))
}

#[test]
fn memory_that_cannot_be_used_is_refused_with_a_remedy() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    let file = folder.path().join("memory");
    let make = |len: u64| -> anyhow::Result<()> {
        std::fs::write(&file, [])?;
        OpenOptions::new().write(true).open(&file)?.set_len(len)?;
        Ok(())
    };
    let (status, text) = refused(&file, None)?;
    assert_eq!(status, Some(255), "missing: {text}");
    for (len, what) in [(0, "empty"), (5000, "not whole pages")] {
        make(len)?;
        let (status, text) = refused(&file, None)?;
        assert_eq!(status, Some(255), "{what}: {text}");
        assert!(text.contains(&*file.to_string_lossy()), "{what}: {text}");
    }
    make(1 << 20)?;
    std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    if rustix::process::getuid().is_root() && testkit::has_program("setpriv", "permissions") {
        let home = programs::path("looking-glass-client")?;
        let is_readable = home.ancestors().all(|folder| {
            std::fs::metadata(folder).is_ok_and(|data| data.permissions().mode() & 0o001 != 0)
        });
        if is_readable {
            let (status, text) = refused(&file, Some("65534"))?;
            assert_eq!(status, Some(255), "{text}");
            assert!(text.contains("ermission"), "{text}");
        } else {
            testkit::skip("permissions", "other users cannot reach the programs");
        }
    }
    Ok(())
}

#[test]
fn a_host_says_that_the_memory_is_too_small() -> anyhow::Result<()> {
    let shm = SharedFile::create(1)?;
    let mut host = pattern(&shm, &[])?;
    let status = host.wait(LIMIT);
    assert!(status.is_some_and(|status| !status.success()), "{status:?}");
    assert!(host.output().contains("MiB"), "{}", host.output());
    Ok(())
}

#[test]
fn a_screenshot_that_never_comes_names_the_missing_link() -> anyhow::Result<()> {
    let shm = SharedFile::create(32)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("none.png");
    let error = programs::screenshot(&shm, &file, Duration::from_secs(1)).unwrap_err();
    assert!(!file.exists());
    assert!(
        format!("{error:#}").contains("no complete frame within 1 s"),
        "{error:#}"
    );
    Ok(())
}
