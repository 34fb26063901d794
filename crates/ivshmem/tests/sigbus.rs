//! A file that shrinks under its mapping.

#![expect(
    clippy::unwrap_used,
    reason = "this file is nothing but tests and their helpers"
)]

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::atomic::Ordering;

use ivshmem::{Rows, SharedMemory, Source, Stores, sigbus};

/// Set in the child processes of this test, to what the child shall do.
const ROLE: &str = "IVSHMEM_SIGBUS_ROLE";

/// A file of so many pages, mapped.
fn mapped(pages: usize) -> (tempfile::NamedTempFile, SharedMemory) {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len((pages * page()) as u64).unwrap();
    let memory = SharedMemory::open(&Source::File(file.path().into())).unwrap();
    (file, memory)
}

fn page() -> usize {
    rustix::param::page_size()
}

#[test]
fn a_file_cut_under_its_mapping_reads_as_zeros_and_marks_the_mapping() {
    sigbus::install_handler().unwrap();
    sigbus::install_handler().unwrap();
    let (_kept, untouched) = mapped(4);
    let (file, memory) = mapped(600);
    let shared = memory.as_slice();
    let bytes: Vec<u8> = vec![7; memory.len()];
    shared.copy_from(0, &bytes).unwrap();
    file.as_file().set_len(page() as u64).unwrap();
    assert!(!memory.is_faulted());

    // The first page is still there; the fault comes in the middle of a kernel.
    let mut back = vec![1; memory.len()];
    shared.copy_to(0, &mut back).unwrap();
    assert!(back[..page()].iter().all(|&byte| byte == 7));
    assert!(back[page()..].iter().all(|&byte| byte == 0));
    assert!(memory.is_faulted());
    assert!(!untouched.is_faulted());

    // Writes and atomics go on as well, and still reach the part that is left.
    shared.write(0, &9_u8).unwrap();
    assert_eq!(std::fs::read(file.path()).unwrap()[0], 9);
    shared
        .atomic_u32(5 * page())
        .unwrap()
        .store(3, Ordering::Release);
    assert_eq!(shared.read::<u32>(5 * page()), Ok(3));
    assert!(memory.is_faulted());
    drop(memory);

    let (_file, fresh) = mapped(600);
    assert!(!fresh.is_faulted());
}

#[test]
fn each_kind_of_access_survives_a_file_cut_to_nothing() {
    sigbus::install_handler().unwrap();
    let accesses: [fn(&SharedMemory); 7] = [
        |memory| memory.as_slice().write(8, &1_u32).unwrap(),
        |memory| assert_eq!(memory.as_slice().read::<u32>(8), Ok(0)),
        |memory| memory.as_slice().zero(0, memory.len()).unwrap(),
        |memory| {
            let word = memory.as_slice().atomic_u64(page()).unwrap();
            assert_eq!(word.fetch_add(1, Ordering::AcqRel), 0);
        },
        |memory| {
            let rows = Rows::single(memory.len());
            let from = vec![1; memory.len()];
            memory
                .as_slice()
                .write_rows(0, &rows, &from, Stores::Streaming)
                .unwrap();
        },
        |memory| {
            let rows = Rows::single(memory.len());
            let mut into = vec![1; memory.len()];
            memory
                .as_slice()
                .read_rows_with(0, &rows, &mut into, Stores::Streaming)
                .unwrap();
            assert!(into.iter().all(|&byte| byte == 0));
        },
        // From the last page to the first one, so that each fault finds the one before it repaired.
        |memory| {
            for at in (0..memory.len()).step_by(page()).rev() {
                assert_eq!(memory.as_slice().read::<u8>(at), Ok(0));
            }
        },
    ];
    for access in accesses {
        let (file, memory) = mapped(8);
        memory.as_slice().zero(0, memory.len()).unwrap();
        file.as_file().set_len(0).unwrap();
        assert!(!memory.is_faulted());
        access(&memory);
        assert!(memory.is_faulted());
    }
}

#[test]
fn threads_that_fault_at_once_all_go_on() {
    sigbus::install_handler().unwrap();
    let (file, memory) = mapped(64);
    file.as_file().set_len(0).unwrap();
    std::thread::scope(|scope| {
        for first in 0..4 {
            let memory = &memory;
            scope.spawn(move || {
                for at in (first..64).step_by(4) {
                    assert_eq!(memory.as_slice().read::<u8>(at * page()), Ok(0));
                }
                assert!(memory.is_faulted());
            });
        }
    });
}

/// Runs this test binary once more, in a role.
fn run(role: &str) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(ROLE, role)
        .output()
        .unwrap()
        .status
}

#[test]
fn a_fault_outside_of_our_mappings_ends_the_process_as_ever() {
    assert_eq!(run("foreign").signal(), Some(libc::SIGBUS));
}

#[test]
fn a_fault_outside_of_our_mappings_reaches_the_earlier_handler() {
    assert_eq!(run("foreign-with-earlier").code(), Some(42));
    assert_eq!(run("foreign-with-earlier-plain").code(), Some(43));
}

#[test]
fn a_signal_that_was_sent_is_not_mistaken_for_a_fault() {
    assert_eq!(run("sent").signal(), Some(libc::SIGBUS));
    assert_eq!(run("sent-while-ignored").code(), Some(44));
    assert_eq!(run("foreign-while-ignored").signal(), Some(libc::SIGBUS));
}

#[test]
fn without_the_handler_the_process_ends() {
    assert_eq!(run("unprotected").signal(), Some(libc::SIGBUS));
}

extern "C" fn earlier(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // The arguments have to arrive as well.
    // SAFETY: the kernel's structure, passed on by the handler under test.
    let code = unsafe { (*info).si_code };
    // SAFETY: ends the process without running anything else.
    unsafe { libc::_exit(if code > 0 { 42 } else { 1 }) }
}

extern "C" fn earlier_plain(signal: i32) {
    // SAFETY: as above.
    unsafe { libc::_exit(if signal == libc::SIGBUS { 43 } else { 1 }) }
}

/// Sets an action for `SIGBUS` before ours.
fn set_action(handler: usize, flags: i32) {
    // SAFETY: all zero is a valid structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: a complete structure, with a handler of the signature the flags promise.
    let result = unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

/// Touches a page that is not there, in a mapping that this crate knows nothing of.
fn fault_outside() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(page() as u64).unwrap();
    let start = raw_map(&file);
    file.set_len(0).unwrap();
    // SAFETY: mapped, though without memory behind it; the fault is what is tested.
    let value = unsafe { start.read_volatile() };
    panic!("read {value} from a page that is not there");
}

/// Maps a page by hand.
fn raw_map(file: &File) -> *mut u8 {
    use rustix::mm::{MapFlags, ProtFlags, mmap};

    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice.
    unsafe {
        mmap(
            std::ptr::null_mut(),
            page(),
            protection,
            MapFlags::SHARED,
            file,
            0,
        )
    }
    .unwrap()
    .cast()
}

/// What the children do.
#[test]
#[ignore = "runs only as a child of the tests above"]
fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    // The deaths are wanted; they need no core files.
    let none = rustix::process::Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(rustix::process::Resource::Core, none).unwrap();
    match role.as_str() {
        "foreign-with-earlier" => {
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = earlier;
            set_action(handler as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
        }
        "foreign-with-earlier-plain" => {
            let handler: extern "C" fn(i32) = earlier_plain;
            set_action(handler as usize, libc::SA_ONSTACK);
        }
        "sent" => set_action(libc::SIG_DFL, 0),
        "sent-while-ignored" | "foreign-while-ignored" => set_action(libc::SIG_IGN, 0),
        _ => {}
    }
    if role == "unprotected" {
        let (file, memory) = mapped(1);
        file.as_file().set_len(0).unwrap();
        let value = memory.as_slice().read::<u8>(0);
        panic!("read {value:?} from a page that is not there");
    }
    sigbus::install_handler().unwrap();
    if role.starts_with("sent") {
        // SAFETY: sends a signal to this thread.
        unsafe { libc::raise(libc::SIGBUS) };
        std::process::exit(44);
    }
    // A mapping of ours elsewhere must not attract it.
    let (_file, _memory) = mapped(1);
    fault_outside();
}
