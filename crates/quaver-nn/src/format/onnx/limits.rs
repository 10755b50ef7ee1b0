//! What an ONNX file would take in memory, before anything is decoded: a message of two bytes
//! becomes a struct of hundreds, a packed integer of one byte becomes eight.

use super::error::OnnxError;
use super::message::{Attribute, External, GraphMessage, NodeMessage, TensorMessage};
use prost::encoding::{WireType, decode_key, decode_varint};

/// Largest file that is read, in bytes.
pub(super) const MAX_FILE: usize = 1 << 31;
/// Bytes that any file may take for its structure, however short it is.
const FLOOR: usize = 1 << 20;
/// Bytes of structure and numbers for each byte of a longer file. Large arrays are not copied.
const SHARE: usize = 2;
/// Every field costs at least this: text, or a place in a list.
const FIELD: usize = 64;

#[derive(Clone, Copy)]
enum Kind {
    File,
    Graph,
    Node,
    Attribute,
    Tensor,
    External,
}

/// What a length-delimited field holds.
enum Field {
    /// A message, and the size of its struct.
    Message(Kind, usize),
    /// Numbers, each of whose bytes takes up to this many.
    Numbers(usize),
    /// Text, copied.
    Text,
    /// Bytes that stay where they are, or nothing that is read.
    Free,
}

fn field(kind: Kind, tag: u32) -> Field {
    // A growing list holds up to twice what is in it.
    let message = |kind, size: usize| Field::Message(kind, 2 * size);
    match (kind, tag) {
        (Kind::File, 7) => message(Kind::Graph, size_of::<GraphMessage>()),
        // An axis of two bytes is a struct of forty.
        (Kind::File, 8) | (Kind::Graph, 11 | 12) => Field::Numbers(64),
        (Kind::Graph, 1) => message(Kind::Node, size_of::<NodeMessage>()),
        (Kind::Graph, 5) => message(Kind::Tensor, size_of::<TensorMessage>()),
        (Kind::Node, 5) => message(Kind::Attribute, size_of::<Attribute>()),
        (Kind::Attribute, 5) => message(Kind::Tensor, size_of::<TensorMessage>()),
        (Kind::Attribute, 8) | (Kind::Tensor, 1 | 7) => Field::Numbers(16),
        (Kind::Tensor, 5) => Field::Numbers(8),
        (Kind::Attribute, 7) | (Kind::Tensor, 4 | 10) => Field::Numbers(2),
        (Kind::Tensor, 13) => message(Kind::External, size_of::<External>()),
        (Kind::Attribute, 4) | (Kind::Tensor, 9) => Field::Free,
        (Kind::Attribute, 6 | 9..=19) | (Kind::Tensor, 6 | 11 | 12 | 14..) => Field::Free,
        (Kind::Graph, 10 | 13..) | (Kind::File, 14..) | (Kind::Node, 6 | 8..) => Field::Free,
        _ => Field::Text,
    }
}

/// Refuses a file that is no protobuf, or whose decoded form would take more than two bytes for
/// each of its bytes and a megabyte.
pub(super) fn check(file: &[u8]) -> Result<(), OnnxError> {
    if file.len() > MAX_FILE {
        return Err(OnnxError::TooLarge {
            what: "file",
            got: file.len(),
            allowed: MAX_FILE,
        });
    }
    let allowed = FLOOR + SHARE * file.len();
    let mut cost = 0;
    walk(Kind::File, file, &mut cost, allowed)
}

fn walk(kind: Kind, mut bytes: &[u8], cost: &mut usize, allowed: usize) -> Result<(), OnnxError> {
    let broken = |e: prost::DecodeError| OnnxError::NoProtobuf(e.to_string());
    while !bytes.is_empty() {
        let (tag, wire) = decode_key(&mut bytes).map_err(broken)?;
        let skipped = match wire {
            WireType::Varint => {
                decode_varint(&mut bytes).map_err(broken)?;
                0
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => {
                let length = decode_varint(&mut bytes).map_err(broken)?;
                usize::try_from(length).unwrap_or(usize::MAX)
            }
            WireType::StartGroup | WireType::EndGroup => {
                return Err(OnnxError::NoProtobuf("groups are not part of ONNX".into()));
            }
        };
        let Some((payload, rest)) = bytes.split_at_checked(skipped) else {
            return Err(OnnxError::NoProtobuf("the file is cut short".into()));
        };
        bytes = rest;
        let delimited = wire == WireType::LengthDelimited;
        let mut nested = None;
        *cost += match field(kind, tag) {
            Field::Message(inner, size) if delimited => {
                nested = Some(inner);
                size
            }
            Field::Numbers(each) if delimited => FIELD + each * payload.len(),
            Field::Text if delimited => FIELD + payload.len(),
            Field::Free => 0,
            _ => FIELD,
        };
        if *cost > allowed {
            return Err(OnnxError::TooLarge {
                what: "decoded structure",
                got: *cost,
                allowed,
            });
        }
        if let Some(inner) = nested {
            walk(inner, payload, cost, allowed)?;
        }
    }
    Ok(())
}
