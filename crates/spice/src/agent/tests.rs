use super::*;
use crate::wire::hex;

const LIMIT: usize = 100_000;

/// An agent with what it sent and said.
struct Talk {
    agent: Agent,
    out: Output,
    events: Vec<AgentEvent>,
    now: Instant,
}

impl Talk {
    fn new() -> Self {
        Self {
            agent: Agent::new(LIMIT),
            out: Output::default(),
            events: Vec::new(),
            now: Instant::now(),
        }
    }

    /// With an agent that announced clipboard and selections.
    fn connected() -> Self {
        let mut talk = Self::new();
        let (events, out) = (&mut talk.events, &mut talk.out);
        talk.agent.connected(Some(10), out, &mut |e| events.push(e));
        talk.receive(&agent_message(6, &hex("00000000 60000000")));
        talk.events.clear();
        talk.sent();
        talk.tokens(10);
        talk
    }

    fn receive(&mut self, data: &[u8]) {
        let (events, out) = (&mut self.events, &mut self.out);
        self.agent
            .receive(data, self.now, out, &mut |e| events.push(e));
    }

    fn tokens(&mut self, tokens: u32) {
        let (events, out) = (&mut self.events, &mut self.out);
        self.agent.add_tokens(tokens, out, &mut |e| events.push(e));
    }

    fn act(&mut self, act: impl FnOnce(&mut Agent, Instant, &mut Output, &mut Sink<'_>)) {
        let (events, now) = (&mut self.events, self.now);
        act(&mut self.agent, now, &mut self.out, &mut |e| events.push(e));
    }

    /// The sizes of the AGENT_DATA pieces sent since the last call, and their bytes together.
    fn sent(&mut self) -> (Vec<usize>, Vec<u8>) {
        let mut reader = Reader::new(self.out.pending());
        let (mut sizes, mut stream) = (Vec::new(), Vec::new());
        while !reader.rest().is_empty() {
            let kind = reader.u16().unwrap();
            let size = reader.length().unwrap();
            let payload = reader.take(size).unwrap();
            if kind == 107 {
                sizes.push(size);
                stream.extend_from_slice(payload);
            }
        }
        self.out.advance(usize::MAX);
        (sizes, stream)
    }

    fn clipboard(&mut self) -> Vec<ClipboardEvent> {
        let events = std::mem::take(&mut self.events);
        events
            .into_iter()
            .filter_map(|event| match event {
                AgentEvent::Clipboard(event) => Some(event),
                _ => None,
            })
            .collect()
    }
}

fn agent_message(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    message.put_u32(1);
    message.put_u32(kind);
    message.put_u64(0);
    message.put_u32(body.len() as u32);
    message.put(body);
    message
}

const TEXT: (Selection, ClipboardKind) = (Selection::Clipboard, ClipboardKind::Text);

#[test]
fn the_announcement_asks_for_the_agents_own_and_is_answered_without() {
    let mut talk = Talk::new();
    talk.act(|agent, _, out, sink| agent.connected(Some(10), out, sink));
    let expected = "6a00 04000000 20000000  6b00 1c000000
        01000000 06000000 0000000000000000 08000000 01000000 60400000";
    assert_eq!(talk.out.pending(), hex(expected));
    talk.sent();
    // As captured, with an answer wanted.
    talk.receive(&hex(
        "01000000 06000000 0000000000000000 08000000 01000000 e70d0000",
    ));
    let (_, answer) = talk.sent();
    assert_eq!(answer, agent_message(6, &hex("00000000 60400000")));
    let capabilities = talk.events.iter().find_map(|event| match event {
        AgentEvent::Capabilities(capabilities) => Some(*capabilities),
        _ => None,
    });
    assert!(capabilities.unwrap().has_selections());
}

#[test]
fn captured_grab_and_request_are_read() {
    let mut talk = Talk::connected();
    talk.receive(&hex(
        "01000000 07000000 0000000000000000 0c000000 00000000 01000000 02000000",
    ));
    let grabbed = ClipboardEvent::Grabbed {
        selection: Selection::Clipboard,
        kinds: vec![ClipboardKind::Text, ClipboardKind::Png],
    };
    assert_eq!(talk.clipboard(), [grabbed]);

    talk.act(|agent, _, out, sink| {
        agent.grab(Selection::Clipboard, &[ClipboardKind::Text], out, sink);
    });
    talk.receive(&hex(
        "01000000 08000000 0000000000000000 08000000 00000000 01000000",
    ));
    let (selection, kind) = TEXT;
    let requested = ClipboardEvent::Requested { selection, kind };
    assert_eq!(talk.clipboard(), [requested]);
    talk.sent();
    talk.act(|agent, _, out, sink| {
        agent.answer(selection, kind, Some(b"hello".to_vec()), out, sink);
    });
    let expected = agent_message(4, &hex("00000000 01000000 68656c6c6f"));
    assert_eq!(talk.sent().1, expected);
    // Nobody waits for a second answer.
    talk.act(|agent, _, out, sink| agent.answer(selection, kind, None, out, sink));
    assert!(talk.sent().1.is_empty());
}

#[test]
fn messages_are_reassembled_from_any_cut() {
    let data: Vec<u8> = (0..5000_u32).map(|i| i as u8).collect();
    let mut body = hex("00000000 01000000");
    body.extend_from_slice(&data);
    let stream = [agent_message(4, &body), agent_message(9, &hex("00000000"))].concat();
    for step in [1, 19, 20, 21, 2048, 10_000] {
        let mut talk = Talk::connected();
        talk.act(|agent, now, out, sink| agent.request(TEXT.0, TEXT.1, now, out, sink));
        for piece in stream.chunks(step) {
            talk.receive(piece);
        }
        let (selection, kind) = TEXT;
        let expected = ClipboardEvent::Data {
            selection,
            kind,
            data: data.clone(),
        };
        let events = talk.clipboard();
        assert!(events[0] == expected, "step {step}");
        assert_eq!(events[1], ClipboardEvent::Released { selection });
    }
}

#[test]
fn pieces_are_at_most_2048_bytes_and_never_more_than_the_tokens() {
    let mut talk = Talk::connected();
    talk.act(|agent, _, out, sink| {
        agent.grab(Selection::Clipboard, &[ClipboardKind::Text], out, sink);
    });
    talk.receive(&agent_message(8, &hex("00000000 01000000")));
    talk.sent();
    let data = vec![7; 50_000];
    talk.act(|agent, _, out, sink| agent.answer(TEXT.0, TEXT.1, Some(data), out, sink));
    let mut all = Vec::new();
    let mut pieces = 0;
    for round in 0..100 {
        let (sizes, stream) = talk.sent();
        assert!(sizes.iter().all(|size| *size <= 2048));
        pieces += sizes.len();
        // 20 at the start, of which announcement and grab took one each.
        assert!(pieces <= 18 + round * 5);
        all.extend(stream);
        talk.tokens(5);
    }
    assert_eq!(all.len(), 20 + 8 + 50_000);
    assert!(talk.events.contains(&AgentEvent::Drained));
}

#[test]
fn data_exactly_at_the_limit_passes_and_one_byte_more_is_refused() {
    for (size, passes) in [(LIMIT, true), (LIMIT + 1, false), (LIMIT + 100_000, false)] {
        // From the guest.
        let mut talk = Talk::connected();
        talk.act(|agent, now, out, sink| agent.request(TEXT.0, TEXT.1, now, out, sink));
        let mut body = hex("00000000 01000000");
        body.resize(8 + size, 1);
        for piece in agent_message(4, &body).chunks(2048) {
            talk.receive(piece);
            assert!(talk.agent.assembler_bytes() <= LIMIT + SMALL_MESSAGE_BYTES);
        }
        let events = talk.clipboard();
        assert_eq!(matches!(events[0], ClipboardEvent::Data { .. }), passes);
        assert_eq!(
            matches!(events[0], ClipboardEvent::TooLarge { .. }),
            !passes
        );
        // And what follows is understood.
        talk.receive(&agent_message(9, &hex("00000000")));
        assert_eq!(talk.clipboard().len(), 1);

        // To the guest.
        let mut talk = Talk::connected();
        talk.act(|agent, _, out, sink| agent.grab(TEXT.0, &[TEXT.1], out, sink));
        talk.receive(&agent_message(8, &hex("00000000 01000000")));
        talk.clipboard();
        talk.act(|agent, _, out, sink| {
            agent.answer(TEXT.0, TEXT.1, Some(vec![0; size]), out, sink);
        });
        assert_eq!(talk.clipboard().is_empty(), passes);
    }
}

#[test]
fn whoever_asks_is_always_answered() {
    let mut talk = Talk::connected();
    let nothing = agent_message(4, &hex("00000000 00000000"));
    // We hold nothing.
    talk.receive(&agent_message(8, &hex("00000000 01000000")));
    assert_eq!(talk.sent().1, nothing);
    // A kind that we do not know, a selection that does not exist.
    talk.act(|agent, _, out, sink| agent.grab(TEXT.0, &[TEXT.1], out, sink));
    talk.sent();
    talk.receive(&agent_message(8, &hex("00000000 06000000")));
    assert_eq!(talk.sent().1, nothing);
    talk.receive(&agent_message(8, &hex("07000000 01000000")));
    assert_eq!(talk.sent().1, agent_message(4, &hex("07000000 00000000")));
    // A second request while the first is open; the first after ten seconds.
    talk.receive(&agent_message(8, &hex("00000000 01000000")));
    assert!(talk.sent().1.is_empty());
    talk.receive(&agent_message(8, &hex("00000000 01000000")));
    assert_eq!(talk.sent().1, nothing);
    talk.now = talk.agent.deadline().unwrap();
    talk.act(|agent, now, out, sink| agent.tick(now, out, sink));
    assert_eq!(talk.sent().1, nothing);
    assert_eq!(talk.agent.deadline(), None);
}

#[test]
fn our_request_ends_when_refused_overtaken_or_too_late() {
    let (selection, kind) = TEXT;
    let unavailable = || ClipboardEvent::Unavailable { selection, kind };
    let ask = |talk: &mut Talk| {
        talk.act(|agent, now, out, sink| agent.request(selection, kind, now, out, sink));
    };
    let mut talk = Talk::connected();
    ask(&mut talk);
    ask(&mut talk);
    assert_eq!(talk.clipboard(), [unavailable()], "the second");
    talk.receive(&agent_message(4, &hex("00000000 00000000")));
    assert_eq!(talk.clipboard(), [unavailable()], "refused");
    ask(&mut talk);
    talk.receive(&agent_message(7, &hex("00000000 02000000")));
    assert_eq!(talk.clipboard()[0], unavailable(), "overtaken");
    ask(&mut talk);
    talk.now += CLIPBOARD_TIMEOUT;
    talk.act(|agent, now, out, sink| agent.tick(now, out, sink));
    assert_eq!(talk.clipboard(), [unavailable()], "too late");
    talk.receive(&agent_message(4, &hex("00000000 01000000 41")));
    assert!(talk.clipboard().is_empty(), "an answer nobody waits for");
    ask(&mut talk);
    talk.act(|agent, _, _, sink| agent.disconnected(sink));
    assert_eq!(talk.clipboard(), [unavailable()], "the agent went away");
}

#[test]
fn without_the_selection_capability_there_is_no_prefix() {
    let mut talk = Talk::new();
    talk.act(|agent, _, out, sink| agent.connected(Some(10), out, sink));
    talk.receive(&agent_message(6, &hex("00000000 20000000")));
    talk.sent();
    talk.clipboard();
    talk.act(|agent, _, out, sink| agent.grab(TEXT.0, &[TEXT.1], out, sink));
    assert_eq!(talk.sent().1, agent_message(7, &hex("01000000")));
    talk.receive(&agent_message(8, &hex("01000000")));
    assert_eq!(talk.clipboard().len(), 1);
    talk.act(|agent, _, out, sink| {
        agent.grab(Selection::Primary, &[ClipboardKind::Text], out, sink);
    });
    assert!(talk.sent().1.is_empty());
}

#[test]
fn nonsense_silences_the_agent_until_it_comes_back() {
    let mut talk = Talk::connected();
    talk.receive(&[9; 40]);
    talk.receive(&agent_message(9, &hex("00000000")));
    assert!(talk.events.is_empty());
    talk.act(|agent, _, out, sink| agent.connected(None, out, sink));
    talk.receive(&agent_message(6, &hex("00000000 60000000")));
    talk.receive(&agent_message(9, &hex("00000000")));
    assert_eq!(talk.clipboard().len(), 1);
}

#[test]
fn tokens_are_given_back_as_pieces_are_consumed() {
    let mut talk = Talk::connected();
    for _ in 0..100 {
        talk.receive(&agent_message(15, &[0; 10]));
    }
    // One was consumed by the announcement.
    let lot = hex("6c00 04000000 10000000");
    assert_eq!(talk.out.pending(), lot.repeat(6));
}

#[test]
fn a_file_goes_over_in_pieces_of_its_announced_size() {
    let mut talk = Talk::connected();
    let id = FileId(3);
    talk.act(|agent, _, out, sink| agent.offer_file(id, "a.txt", 5, out, sink));
    let mut start = hex("03000000");
    start.extend(b"[vdagent-file-xfer]\nname=a.txt\nsize=5\n\0");
    assert_eq!(talk.sent().1, agent_message(10, &start));
    talk.receive(&agent_message(11, &hex("03000000 00000000")));
    let status = |status| AgentEvent::File { id, status };
    assert!(talk.events.contains(&status(FileStatus::Go)));
    talk.act(|agent, _, out, sink| agent.send_file(id, b"abc".to_vec(), out, sink));
    let data = hex("03000000 0300000000000000 616263");
    assert_eq!(talk.sent().1, agent_message(12, &data));
    // One byte too many.
    talk.events.clear();
    talk.act(|agent, _, out, sink| agent.send_file(id, b"def".to_vec(), out, sink));
    assert!(talk.events.contains(&status(FileStatus::Error)));
    assert_eq!(talk.sent().1, agent_message(11, &hex("03000000 01000000")));
    for name in ["", "..", "a/b", "a\nb", "a\\b"] {
        talk.events.clear();
        talk.act(|agent, _, out, sink| agent.offer_file(id, name, 5, out, sink));
        assert_eq!(talk.events, [status(FileStatus::Disabled)], "{name}");
    }
}

#[test]
fn every_announcement_is_passed_on_even_if_it_says_nothing_new() {
    let mut talk = Talk::connected();
    for _ in 0..2 {
        talk.receive(&agent_message(6, &hex("00000000 60000000")));
    }
    let capabilities = AgentEvent::Capabilities(AgentCapabilities::from_word(0x60));
    assert!(talk.events.iter().all(|event| *event == capabilities));
    assert_eq!(talk.events.len(), 2);
}

/// Counts what is logged at the level "info" and above.
struct Log(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

fn lines_logged(act: impl FnOnce()) -> usize {
    let count = std::sync::Arc::default();
    tracing::subscriber::with_default(Log(std::sync::Arc::clone(&count)), act);
    count.load(std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn a_guest_that_asks_and_does_not_read_is_logged_once() {
    let lines = lines_logged(|| {
        let mut talk = Talk::connected();
        // Without tokens all refusals stay in the queue, until it is full.
        talk.agent.set_tokens(0);
        for _ in 0..20_000 {
            talk.receive(&agent_message(8, &hex("00000000 63000000")));
        }
    });
    assert_eq!(lines, 1);
}

#[test]
fn an_agent_that_comes_again_and_again_with_nonsense_is_logged_once() {
    let lines = lines_logged(|| {
        let mut talk = Talk::connected();
        for _ in 0..3 {
            talk.receive(&[9; 40]);
            talk.act(|agent, _, out, sink| agent.connected(None, out, sink));
            talk.act(|agent, _, _, sink| agent.disconnected(sink));
            talk.act(|agent, _, out, sink| agent.connected(None, out, sink));
        }
    });
    assert_eq!(lines, 1);
}

impl Agent {
    fn assembler_bytes(&self) -> usize {
        self.assembler.buffered()
    }
}
