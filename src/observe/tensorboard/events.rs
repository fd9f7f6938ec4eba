//! The protocol buffers of an events file, as far as they are written, and their records.
//!
//! A file is a sequence of TFRecords: the event's length (8 bytes, little endian), the length's checksum (4), the
//! event, its checksum (4); a checksum is the CRC-32C, rotated and shifted by a constant. An event is a protocol
//! buffer, of which the messages here name the fields that are written (numbers as in TensorFlow's `event.proto`,
//! `summary.proto` and `tensor.proto`). They stand here because the crate made for it, `tensorboard-rs`, has no feature that leaves out
//! what it pulls in: `image` 0.23 with its codecs, and `protobuf` 2, neither maintained any more.

use prost::Message;

/// `tensorflow.Event`: what happened at a step.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = 1)]
    pub(super) wall_time: f64,
    /// 0 of what is no step's.
    #[prost(int64, tag = 2)]
    pub(super) step: i64,
    /// Only in a file's first event.
    #[prost(string, optional, tag = 3)]
    pub(super) file_version: Option<String>,
    /// What there is to show.
    #[prost(message, optional, tag = 5)]
    pub(super) summary: Option<Summary>,
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    /// Each under a tag of its own.
    #[prost(message, repeated, tag = 1)]
    pub(super) value: Vec<Value>,
}

/// `tensorflow.Summary.Value`: one scalar, or a text.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    /// Its name.
    #[prost(string, tag = 1)]
    pub(super) tag: String,
    /// Optional because a value of 0 has to be written too.
    #[prost(float, optional, tag = 2)]
    pub(super) simple_value: Option<f32>,
    /// A text.
    #[prost(message, optional, tag = 8)]
    pub(super) tensor: Option<Tensor>,
    /// Whose it is, with the first value of a tag.
    #[prost(message, optional, tag = 9)]
    pub(super) metadata: Option<SummaryMetadata>,
}

/// `tensorflow.TensorProto`: strings.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    /// [`Tensor::STRING`].
    #[prost(int32, tag = 1)]
    pub(super) dtype: i32,
    /// That of a scalar.
    #[prost(message, optional, tag = 2)]
    pub(super) shape: Option<Shape>,
    /// The strings.
    #[prost(bytes = "vec", repeated, tag = 8)]
    pub(super) string_val: Vec<Vec<u8>>,
}

impl Tensor {
    /// `DT_STRING`.
    const STRING: i32 = 7;

    /// A single string.
    pub(super) fn scalar(content: Vec<u8>) -> Self {
        Self { dtype: Self::STRING, shape: Some(Shape {}), string_val: vec![content] }
    }
}

/// `tensorflow.TensorShapeProto` of a scalar.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Shape {}

/// `tensorflow.SummaryMetadata`: which tab of TensorBoard shows a value, and with which words.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SummaryMetadata {
    /// The tab.
    #[prost(message, optional, tag = 1)]
    pub(super) plugin_data: Option<PluginData>,
    /// The words.
    #[prost(string, tag = 3)]
    pub(super) summary_description: String,
    /// What kind of value it is.
    #[prost(enumeration = "DataClass", tag = 4)]
    pub(super) data_class: i32,
}

/// `tensorflow.SummaryMetadata.PluginData`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PluginData {
    /// Name of the tab's plugin.
    #[prost(string, tag = 1)]
    pub(super) plugin_name: String,
    /// What else the plugin is told.
    #[prost(bytes = "vec", tag = 2)]
    pub(super) content: Vec<u8>,
}

/// `tensorflow.DataClass`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
pub(super) enum DataClass {
    Unknown = 0,
    Scalar = 1,
    Tensor = 2,
}

/// `data` as a TFRecord.
pub(super) fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &checksum(&length), data, &checksum(data)].concat()
}

/// The CRC-32C of `data`, masked: the checksum of bytes that hold checksums themselves would be a weak one.
pub(super) fn checksum(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}
