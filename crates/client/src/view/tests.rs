//! The view as a thread: what it is told and what it tells. Times are real, but nothing depends on how long they are.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ivshmem::{DmaBufs, PixelStream, SharedMemory};
use kvmfr::{FrameFlags, OsInfo, SessionDescription, Version, VmInfo};
use picture::{
    Damage, FrameLayout, PixelFormat, PointerKind, PointerShape, PointerState, Scene, Size,
};
use relay::publisher::{ClientRequest, Image, Pixels, Publisher, PublisherOptions, Service};
use relay::{PointerUpdate, ReaderOptions};

use super::*;
use crate::console::tests::server::Server;
use crate::guest_view::PictureSource;
use crate::renderer::{SoftwareView, UploadError};
use crate::session::{ConsolePolicy, Preferences};

const LIMIT: Duration = Duration::from_secs(20);

/// What a renderer was told of DMA-BUFs: that there are some, or why not.
type Told = Arc<Mutex<Vec<Result<(), String>>>>;

/// A renderer that notes it.
struct Noting {
    view: SoftwareView,
    told: Told,
}

impl Renderer for Noting {
    fn describe(&self) -> String {
        self.view.describe()
    }

    fn begin_picture(&mut self) {
        self.view.begin_picture();
    }

    fn set_dma_bufs(&mut self, buffers: Result<DmaBufs, String>) {
        self.told.lock().unwrap().push(buffers.map(drop));
    }

    fn upload(
        &mut self,
        layout: &FrameLayout,
        damage: &Damage,
        pixels: &mut dyn PixelStream,
    ) -> Result<(), UploadError> {
        self.view.upload(layout, damage, pixels)
    }

    fn resize(&mut self, size: Size) {
        self.view.resize(size);
    }

    fn invalidate(&mut self) {
        self.view.invalidate();
    }

    fn draw(&mut self, scene: &Scene<'_>) -> anyhow::Result<Shown> {
        self.view.draw(scene)
    }
}

struct Stage {
    commands: Sender<ViewCommand>,
    reports: Receiver<ViewReport>,
    waker: Waker,
    guest: SharedGuestView,
    told: Told,
    server: Server,
    thread: Option<JoinHandle<()>>,
}

impl Stage {
    fn start(memory: Option<Arc<SharedMemory>>) -> Self {
        Self::start_with(memory, true)
    }

    fn start_with(memory: Option<Arc<SharedMemory>>, mouse_redraw: bool) -> Self {
        let waker = Waker::new().unwrap();
        let console = Console::new(waker.clone());
        let server = Server::new(console.clone());
        let guest = SharedGuestView::default();
        let (commands, for_view) = channel();
        let (sender, reports) = channel();
        let told = Told::default();
        let own = (waker.clone(), guest.clone());
        let view = SoftwareView::headless();
        let renderer = Box::new(Noting {
            view,
            told: Arc::clone(&told),
        });
        let body = move || {
            let preferences = Preferences {
                console: ConsolePolicy::Auto,
                has_relay: memory.is_some(),
                mouse_redraw,
                ..Preferences::default()
            };
            View {
                relay: memory.map(|memory| Relay::on(memory, ReaderOptions::default())),
                console: Some(console),
                waker: own.0,
                session: Session::new(preferences),
                sound: None,
                guest: own.1,
                renderer,
                commands: for_view,
                reports: Reports {
                    sender,
                    wake: Box::new(|| ()),
                },
                stats: None,
                ration: LogRation::default(),
            }
            .run();
        };
        Self {
            commands,
            reports,
            waker,
            guest,
            told,
            server,
            thread: Some(std::thread::spawn(body)),
        }
    }

    fn tell(&self, command: ViewCommand) {
        self.commands.send(command).unwrap();
        self.waker.wake();
    }

    /// Waits until the view says something that is wanted, and forgets what else it says.
    fn wait_for(&self, is_wanted: impl Fn(&ViewReport) -> bool, mut meanwhile: impl FnMut()) {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            meanwhile();
            match self.reports.recv_timeout(Duration::from_millis(5)) {
                Ok(report) if is_wanted(&report) => return,
                _ => {}
            }
        }
        panic!("the view does not say it");
    }

    fn wait_for_source(&self, source: PictureSource, mut meanwhile: impl FnMut()) {
        let is_it = || self.guest.get().source == source;
        let is_change = |report: &ViewReport| matches!(report, ViewReport::ViewChanged);
        while !is_it() {
            self.wait_for(is_change, &mut meanwhile);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.commands.send(ViewCommand::Quit);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A host that lives as long as it is ticked.
struct Host {
    publisher: Publisher,
    service: Service,
    moved: Vec<GuestPoint>,
}

impl Host {
    fn new(memory: Arc<SharedMemory>) -> Self {
        let description = SessionDescription {
            features: Features::SET_CURSOR_POSITION,
            vm: Some(VmInfo {
                uuid: Some(*b"0123456789abcdef"),
                ..VmInfo::default()
            }),
            os: Some(OsInfo {
                kind: OsKind::Linux,
                name: "Linux".into(),
            }),
            ..SessionDescription::default()
        };
        let options = PublisherOptions {
            version: Version::V20,
            description,
        };
        let mut publisher = Publisher::new(memory, options).unwrap();
        let bytes = [0x40; 32 * 16 * 4];
        let image = Image {
            layout: FrameLayout::packed(PixelFormat::Bgra8, Size::new(32, 16)),
            pixels: Pixels::Private(&bytes),
            damage: &Damage::FULL,
            flags: FrameFlags::empty(),
        };
        publisher.publish(&image).unwrap();
        Self {
            service: publisher.service(),
            publisher,
            moved: Vec::new(),
        }
    }

    fn point(&mut self, position: GuestPoint) {
        let shape = self.moved.is_empty().then(|| PointerShape {
            kind: PointerKind::Colour,
            width: 1,
            height: 1,
            pitch_bytes: 4,
            hot_spot: (0, 0),
            data: vec![0xff; 4],
        });
        self.moved.push(position);
        let state = PointerState {
            position,
            is_visible: true,
        };
        let update = PointerUpdate {
            state,
            shape: shape.as_ref(),
        };
        self.publisher.publish_pointer(&update).unwrap();
    }

    fn tick(&mut self) {
        let act = |request| {
            if let ClientRequest::SetCursorPosition(to) = request {
                self.moved.push(to);
            }
        };
        self.service.tick(MonotonicClock.now(), act).unwrap();
        self.publisher.serve_new_subscribers();
    }
}

fn show(server: &mut Server) {
    server.create(8, 4);
    server.fill(0, 0, 8, 4, 0x0011_2233);
    server.mark();
}

#[test]
fn without_shared_memory_the_view_asks_for_the_console_and_shows_it() {
    let mut stage = Stage::start(None);
    let asks = |report: &ViewReport| matches!(report, ViewReport::WantConsole(true));
    stage.wait_for(asks, || ());
    assert_eq!(stage.guest.get(), GuestView::default());
    show(&mut stage.server);
    stage.wait_for_source(PictureSource::Console, || ());
    let desktop = |stage: &Stage| stage.guest.get().placement.unwrap().turned_desktop();
    assert_eq!(desktop(&stage), Size::new(8, 4));
    stage.tell(ViewCommand::Rotate);
    let changes = |report: &ViewReport| matches!(report, ViewReport::ViewChanged);
    stage.wait_for(changes, || ());
    assert_eq!(desktop(&stage), Size::new(4, 8));
    stage.tell(ViewCommand::SetPointer(GuestPoint { x: 1, y: 1 }));
    let refuses = |report: &ViewReport| matches!(report, ViewReport::PointerSet(false));
    stage.wait_for(refuses, || ());
}

#[test]
fn a_host_takes_over_sets_the_pointer_and_gives_way_again() {
    let memory = Arc::new(SharedMemory::create("view-test", 16 << 20).unwrap());
    let mut stage = Stage::start(Some(Arc::clone(&memory)));
    let asks = |report: &ViewReport| matches!(report, ViewReport::WantConsole(true));
    stage.wait_for(asks, || ());
    show(&mut stage.server);
    stage.wait_for_source(PictureSource::Console, || ());

    let mut host = Host::new(memory);
    let comes = |report: &ViewReport| matches!(report, ViewReport::HostAlive(true));
    stage.wait_for(comes, || host.tick());
    stage.wait_for_source(PictureSource::Relay, || host.tick());
    let seen = stage.guest.get();
    assert!(seen.can_set_pointer && seen.is_linux);
    assert_eq!(seen.uuid, Some(*b"0123456789abcdef"));
    // What could be imported is known when a session begins, and forgotten when it ends.
    let no_session = Err("there is no session".to_owned());
    let told = |stage: &Stage| stage.told.lock().unwrap().last().cloned();
    let began = told(&stage).unwrap();
    assert_ne!(began, no_session);

    let to = GuestPoint { x: 5, y: 6 };
    stage.tell(ViewCommand::SetPointer(to));
    let is_set = |report: &ViewReport| matches!(report, ViewReport::PointerSet(true));
    stage.wait_for(is_set, || host.tick());
    assert_eq!(host.moved, [to]);

    // The video goes off and on; the host sends its picture again although nothing changed.
    stage.tell(ViewCommand::ToggleVideo);
    stage.wait_for_source(PictureSource::Console, || host.tick());
    stage.tell(ViewCommand::ToggleVideo);
    stage.wait_for_source(PictureSource::Relay, || host.tick());

    drop(host);
    let goes = |report: &ViewReport| matches!(report, ViewReport::HostAlive(false));
    stage.wait_for(goes, || ());
    assert_eq!(told(&stage), Some(no_session));
    stage.wait_for_source(PictureSource::Console, || ());
    assert!(!stage.guest.get().can_set_pointer);
}

#[test]
fn the_input_learns_where_the_pointer_is_although_nothing_is_drawn_for_it() {
    let memory = Arc::new(SharedMemory::create("view-test", 16 << 20).unwrap());
    let stage = Stage::start_with(Some(Arc::clone(&memory)), false);
    let mut host = Host::new(memory);
    stage.wait_for_source(PictureSource::Relay, || host.tick());
    // The first has a shape, which is drawn; of the others only the place changes.
    for x in 1..4 {
        let place = GuestPoint { x, y: 2 };
        host.point(place);
        let end = Instant::now() + LIMIT;
        while stage.guest.get().pointer != Some(place) {
            assert!(Instant::now() < end, "{:?}", stage.guest.get());
            host.tick();
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
