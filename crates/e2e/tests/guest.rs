//! A real virtual machine: our host inside finds the IVSHMEM device by itself and relays the guest's X screen.

use std::path::Path;
use std::time::Duration;

use testkit::guest::{GuestImage, GuestSpec};
use testkit::machine::{Hardware, Machine};
use testkit::programs::{self, SharedFile};

/// TCG on two busy cores boots in 6 to 30 s.
const BOOT: Duration = Duration::from_secs(120);
const FIRST_FRAME: Duration = Duration::from_secs(60);

/// Two colours side by side on the root window, then the host.
const SCRIPT: &str = r##"
xsetroot -solid "#204080"
looking-glass-host app:shmFile=pci app:capture=XCB &
"##;

#[test]
fn a_guest_relays_its_screen_and_comes_back_after_being_killed() -> anyhow::Result<()> {
    let host = programs::path("looking-glass-host")?;
    let Some(xsetroot) = testkit::find_program("xsetroot") else {
        testkit::skip("virtual machine", "there is no xsetroot in the PATH");
        return Ok(());
    };
    let programs: [&Path; 2] = [&host, &xsetroot];
    let spec = GuestSpec {
        programs: &programs,
        has_x: true,
        script: SCRIPT,
        ..GuestSpec::default()
    };
    let Some(image) = GuestImage::build(&spec)? else {
        return Ok(());
    };
    let shm = SharedFile::create(32)?;
    for boot in ["first", "second"] {
        let hardware = Hardware {
            guest: Some(&image),
            shared_memory: Some(shm.path()),
            ..Hardware::default()
        };
        let Some(mut guest) = Machine::start(&hardware)? else {
            return Ok(());
        };
        guest.expect("GUEST: script ended", BOOT)?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("guest.png");
        programs::screenshot(&shm, &file, FIRST_FRAME)
            .map_err(|error| error.context(guest.process().output()))?;
        let picture = picture::png::decode(&std::fs::read(&file)?)?;
        assert_eq!(picture.size(), picture::Size::new(800, 600), "{boot} boot");
        assert_eq!(picture.rgb(5, 5), Some([0x20, 0x40, 0x80]), "{boot} boot");
        // Dropping the guest kills the virtual machine: the second one finds memory full of old state.
    }
    Ok(())
}
