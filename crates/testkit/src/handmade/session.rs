//! The session description (kvmfr.md 1).

use super::table::Wire;

/// What a host says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// At most 31 characters.
    pub host_version: &'static str,
    /// Bit 0: the host takes *set cursor position*.
    pub features: u32,
    /// Back to back behind the fixed part.
    pub records: Vec<Record>,
}

/// A record of a session description (kvmfr.md 1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Type 1.
    Vm {
        /// In the order in which it is written.
        uuid: [u8; 16],
        /// At most 31 characters.
        capture: &'static str,
        /// Logical processors.
        cpus: u8,
        /// Cores.
        cores: u8,
        /// Sockets.
        sockets: u8,
        /// Of the processor.
        model: &'static str,
    },
    /// Type 2.
    Os {
        /// 0 Linux, 1 BSD, 2 macOS, 3 Windows, 4 other.
        kind: u8,
        /// For people.
        name: &'static str,
    },
    /// A type that nobody knows.
    Unknown {
        /// Its number.
        kind: u8,
        /// Its bytes.
        payload: Vec<u8>,
    },
}

/// A piece of the session data, with what it is.
pub type Part = (Vec<u8>, String);

impl Description {
    /// The bytes, piece by piece.
    #[must_use]
    pub fn parts(&self, wire: Wire) -> Vec<Part> {
        let part = |bytes: Vec<u8>, note: &str| (bytes, format!("kvmfr 1.1 {note}"));
        let mut parts = vec![
            part(b"KVMFR---".to_vec(), "magic"),
            part(wire.kvmfr().to_le_bytes().to_vec(), "version"),
            part(padded(self.host_version), "host version"),
            part(self.features.to_le_bytes().to_vec(), "features"),
        ];
        for record in &self.records {
            let (kind, payload) = record.payload();
            let size: usize = payload.iter().map(|(bytes, _)| bytes.len()).sum();
            let size = u32::try_from(size).expect("a short record");
            let mut head = vec![kind, 0, 0, 0];
            head.extend(size.to_le_bytes());
            parts.push((head, "kvmfr 1.2 record type and size".to_owned()));
            parts.extend(payload);
        }
        parts
    }
}

impl Record {
    fn payload(&self) -> (u8, Vec<Part>) {
        let part = |bytes: Vec<u8>, note: &str| (bytes, format!("kvmfr 1.2 {note}"));
        let text = |text: &str| [text.as_bytes(), &[0]].concat();
        match self {
            Self::Vm {
                uuid,
                capture,
                cpus,
                cores,
                sockets,
                model,
            } => {
                let counts = vec![*cpus, *cores, *sockets];
                let parts = vec![
                    part(uuid.to_vec(), "uuid"),
                    part(padded(capture), "capture"),
                    part(counts, "cpus, cores, sockets"),
                    part(text(model), "model"),
                ];
                (1, parts)
            }
            Self::Os { kind, name } => {
                let parts = vec![part(vec![*kind], "os"), part(text(name), "os name")];
                (2, parts)
            }
            Self::Unknown { kind, payload } => (*kind, vec![part(payload.clone(), "unknown")]),
        }
    }
}

/// 32 bytes, zeros behind the text.
fn padded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    assert!(bytes.len() < 32, "at most 31 characters");
    bytes.resize(32, 0);
    bytes
}
