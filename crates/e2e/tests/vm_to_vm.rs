//! From one virtual machine to another: the host in one guest, clients outside and in a second guest, all of them on the
//! memory of the same file; the guests reach it by our kernel module.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use e2e::Viewer;
use picture::Size;
use picture::png::{self, RgbImage};
use serde_json::Value;
use testcard::{Pattern, Rows, read_stamp};
use testkit::kvmfr_guest::{KvmfrGuest, KvmfrImage};
use testkit::programs::{self, SharedFile};
use testkit::reference;

/// What takes a second outside may take ten in two guests on two busy cores.
const LIMIT: Duration = Duration::from_secs(60);
/// Percent of the pattern that moves.
const SHARE: u32 = 25;

#[test]
fn a_host_in_a_guest_is_seen_outside_and_in_another_guest() -> anyhow::Result<()> {
    let host = programs::path("looking-glass-host")?;
    let client = programs::path("looking-glass-client")?;
    let Some(image) = KvmfrImage::small(&[&host, &client])? else {
        return Ok(());
    };
    let shm = SharedFile::create(32)?;
    let (Some(a), Some(b)) = (image.start(shm.path())?, image.start(shm.path())?) else {
        return Ok(());
    };
    let mut scene = Scene {
        source: a.load("")?,
        other: b.load("")?,
        outside: Viewer::headless(&shm)?,
        shm,
    };
    scene.other.run(&format!(
        "{CLIENT} --headless --stats /tmp/stats >/tmp/client.log & true"
    ))?;
    scene.nobody_sees_a_host()?;
    scene.start_host(Size::new(320, 200))?;
    scene.all_see(Size::new(320, 200))?;
    // Killed with a frame half done or a lock held, as may be.
    scene.source.run("kill -9 $(cat /tmp/host.pid)")?;
    scene.nobody_sees_a_host()?;
    scene.start_host(Size::new(400, 240))?;
    scene.all_see(Size::new(400, 240))?;
    for guest in [&mut scene.source, &mut scene.other] {
        let complaints = guest.kernel_complaints()?;
        ensure!(complaints.is_empty(), "{complaints:#?}");
    }
    Ok(())
}

/// Our client in a guest.
const CLIENT: &str = "looking-glass-client app:shmFile=/dev/kvmfr0 spice:enable=no --allow-root";

/// Two guests, and a client outside of both.
struct Scene {
    source: KvmfrGuest,
    other: KvmfrGuest,
    outside: Viewer,
    shm: SharedFile,
}

impl Scene {
    fn start_host(&mut self, size: Size) -> anyhow::Result<()> {
        let Size { width, height } = size;
        let options = format!(
            "app:shmFile=/dev/kvmfr0 app:capture=test test:pointer=none \
            test:width={width} test:height={height} test:damageShare={SHARE}"
        );
        self.source.run(&format!(
            "looking-glass-host {options} >/tmp/host.log & echo $! >/tmp/host.pid"
        ))?;
        Ok(())
    }

    /// Frames flow to both clients, and both see the right picture.
    fn all_see(&mut self, size: Size) -> anyhow::Result<()> {
        self.outside.expect_frames(LIMIT)?;
        self.other_client("frames", |figures| {
            figures["missing"].is_null() && figures["frames_per_second"].as_f64() > Some(1.0)
        })?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("outside.png");
        programs::screenshot(&self.shm, &file, LIMIT)?;
        let outside = judge(&std::fs::read(&file)?, size).context("outside")?;
        self.other.run_for(
            &format!("{CLIENT} --headless --screenshot /tmp/inside.png --timeout 50"),
            LIMIT,
        )?;
        let inside = self.other.read("/tmp/inside.png")?;
        let inside = judge(&inside, size).context("in the other guest")?;
        ensure!(inside > outside, "frame {inside} was seen after {outside}");
        Ok(())
    }

    fn nobody_sees_a_host(&mut self) -> anyhow::Result<()> {
        self.outside.expect_missing("", LIMIT)?;
        self.other_client("end of the host", |figures| figures["missing"].is_string())
    }

    /// Waits until the client in the other guest says so in figures that it has written from now on.
    fn other_client(
        &mut self,
        what: &str,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<()> {
        let count = "$(wc -l </tmp/stats)";
        self.other
            .run(&format!("touch /tmp/stats; known={count}"))?;
        let start = Instant::now();
        loop {
            let said = self.other.run("tail -n +$((known + 1)) /tmp/stats")?;
            let mut figures = said
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            if figures.any(|figures: Value| is_wanted(&figures)) {
                return Ok(());
            }
            if start.elapsed() > LIMIT {
                let log = self.other.run("cat /tmp/client.log")?;
                anyhow::bail!("no {what}; last {said}; client:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Compares a picture with what the reference makes of the frame that it says it is; returns the frame's number.
fn judge(file: &[u8], size: Size) -> anyhow::Result<u32> {
    let seen: RgbImage = png::decode(file)?;
    ensure!(seen.size() == size, "{:?}", seen.size());
    let stamp = read_stamp(&Rows::from(&seen), (0, 0)).context("no stamp")?;
    let layout = testcard::layout(picture::PixelFormat::Bgra8, size);
    let mut bytes = vec![0; usize::try_from(layout.data_bytes())?];
    Pattern::new(layout, SHARE).draw(&mut bytes, stamp.serial, stamp.time_ns);
    let frame = reference::Frame {
        kind: 1,
        is_hdr: false,
        version: 20,
        width: size.width,
        height: size.height,
        rows: layout.rows,
        pitch: layout.pitch_bytes.try_into()?,
        rotation: 0,
        screen: (size.width, size.height),
        bytes: &bytes,
    };
    let view = reference::View {
        width: size.width,
        height: size.height,
        keep_aspect: true,
        dont_upscale: false,
        rotation: 0,
        scale: 0,
    };
    let meant = reference::compose(&frame, None, &view);
    ensure!(
        seen.bytes() == meant.as_flattened(),
        "not the picture of {stamp:?}"
    );
    Ok(stamp.serial)
}
