//! Parquet files made here, honest ones and others.

use std::sync::Arc;

use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FixedLenByteArrayType, FloatType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::super::rows::{Fault, rows};
use super::*;

/// A file of one row group with these columns, each written by its function.
pub(super) fn written(
    schema: &str,
    compression: Compression,
    columns: &[&dyn Fn(&mut SerializedColumnWriter<'_>)],
) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for write in columns {
        let mut column = group.next_column().unwrap().unwrap();
        write(&mut column);
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

pub(super) fn texts(bytes: &[&[u8]]) -> Vec<ByteArray> {
    bytes.iter().map(|bytes| ByteArray::from(bytes.to_vec())).collect()
}

/// The rows, or what keeps the file from being opened or read on.
pub(super) fn read(content: &[u8]) -> Result<Vec<(Value, Vec<String>)>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    fs::write(&path, content).unwrap();
    let short =
        |error: anyhow::Error| format!("{error:#}").replace(&format!("{}/", dir.path().display()), "");
    let read = rows(&path).map_err(short)?.map(|row| match row {
        Ok(row) => Ok((Value::Object(row.fields), row.bytes)),
        Err(Fault::Row(error) | Fault::File(error)) => Err(short(error)),
    });
    read.collect()
}

/// A column of texts of which all are the same.
pub(super) fn alike(size: usize, compression: Compression) -> Vec<u8> {
    written(
        "message m { required binary a (STRING); }",
        compression,
        &[&|column| {
            let text = ByteArray::from(vec![b'a'; size]);
            column.typed::<ByteArrayType>().write_batch(&[text], None, None).unwrap();
        }],
    )
}

#[test]
fn bytes_without_a_kind_are_text_where_they_can_be() {
    let schema = "message m { required binary q; required fixed_len_byte_array(2) f; \
                  required group l (LIST) { repeated group list { required binary element; } } }";
    let content = written(
        schema,
        Compression::UNCOMPRESSED,
        &[
            &|column| {
                let values = texts(&[b"2+2?", b"\xff\xfe"]);
                column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
            },
            &|column| {
                let values: Vec<_> = texts(&[b"ab", b"\xc3\xa9"]).into_iter().map(Into::into).collect();
                column.typed::<FixedLenByteArrayType>().write_batch(&values, None, None).unwrap();
            },
            &|column| {
                let values = texts(&[b"x", b"y", b"\x80"]);
                column
                    .typed::<ByteArrayType>()
                    .write_batch(&values, Some(&[1, 1, 1]), Some(&[0, 1, 0]))
                    .unwrap();
            },
        ],
    );
    let found = read(&content).unwrap();
    assert_eq!(found[0], (json!({"q": "2+2?", "f": "ab", "l": ["x", "y"]}), vec![]));
    assert_eq!(found[1], (json!({"q": null, "f": "é", "l": [null]}), vec!["q".to_owned(), "l.0".to_owned()]));
}

#[test]
fn numbers_are_what_was_meant() {
    let schema = "message m { required float f; required double d; required int64 t (DECIMAL(18, 0)); \
                  required binary big (DECIMAL(38, 0)); required group n (LIST) { repeated group list { required double element; } } }";
    let big = 42_391_158_275_216_203_514_294_433_201_i128;
    let content = written(
        schema,
        Compression::UNCOMPRESSED,
        &[
            &|column| {
                column.typed::<FloatType>().write_batch(&[0.1], None, None).unwrap();
            },
            &|column| {
                column.typed::<DoubleType>().write_batch(&[8.0], None, None).unwrap();
            },
            &|column| {
                column.typed::<Int64Type>().write_batch(&[-4], None, None).unwrap();
            },
            &|column| {
                let value = ByteArray::from(big.to_be_bytes().to_vec());
                column.typed::<ByteArrayType>().write_batch(&[value], None, None).unwrap();
            },
            &|column| {
                column.typed::<DoubleType>().write_batch(&[3.0, 5.0], Some(&[1, 1]), Some(&[0, 1])).unwrap();
            },
        ],
    );
    let expected = json!({"f": 0.1, "d": 8.0, "t": -4, "big": big.to_string(), "n": [3.0, 5.0]});
    assert_eq!(read(&content).unwrap()[0].0, expected);
}

#[test]
fn columns_must_be_there_and_have_names_of_their_own() {
    let refused = |schema: &str, columns: &[&dyn Fn(&mut SerializedColumnWriter<'_>)]| {
        read(&written(schema, Compression::UNCOMPRESSED, columns)).unwrap_err()
    };
    assert_eq!(refused("message m { }", &[]), "x.parquet: cannot be read: it has no columns");
    let one = |column: &mut SerializedColumnWriter<'_>| {
        column.typed::<Int64Type>().write_batch(&[1], None, None).unwrap();
    };
    let twice = refused("message m { required int64 a; required int64 a; }", &[&one, &one]);
    assert_eq!(twice, "x.parquet: cannot be read: two columns have the name \"a\"");
}

/// What unpacks to more than is read is refused before it is unpacked.
#[test]
fn bombs_are_refused_by_their_size() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
    ];
    for codec in codecs {
        assert!(read(&alike(1 << 20, codec)).is_ok(), "{codec}");
    }
    let error = read(&alike(300 << 20, codecs[3])).unwrap_err();
    assert!(error.contains("row group 0, column a: the page at 24: it unpacks to"), "{error}");
    assert!(error.ends_with("bytes or more, beyond the 256 MB that are read of a page"), "{error}");
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let content = alike(5, Compression::UNCOMPRESSED);
    assert!(read(&content).is_ok());
    let length = content.len();
    for (at, by, expected) in [
        (length - 8, &[0xff, 0xff, 0xff, 0x7f][..], "its footer has 2147483647 bytes"),
        (length - 1, b"2", "the mark at its end is missing"),
    ] {
        let mut content = content.clone();
        content[at..at + by.len()].copy_from_slice(by);
        let error = read(&content).unwrap_err();
        assert!(error.contains("not a whole Parquet file") && error.contains(expected), "{error}");
    }
    for cut in [0, 3, 11, length / 2, length - 1] {
        assert!(read(&content[..cut]).unwrap_err().contains("not a whole Parquet file"));
    }
}

/// A few bytes can stand for any number of rows, or of values in one.
#[test]
fn rows_and_lists_that_nothing_is_stored_of_are_refused() {
    let n = 1_100_000;
    let nulls = written(
        "message m { optional int64 a; }",
        Compression::UNCOMPRESSED,
        &[&|column| {
            column.typed::<Int64Type>().write_batch(&[], Some(&vec![0; n]), None).unwrap();
        }],
    );
    let error = read(&nulls).unwrap_err();
    assert!(error.starts_with("x.parquet: cannot be read: it has 1100000 rows in "), "{error}");
    let list = "message m { required group l (LIST) { repeated group list { required int64 element; } } }";
    let list = written(
        list,
        Compression::UNCOMPRESSED,
        &[&|column| {
            let levels: Vec<i16> = (0..n).map(|at| i16::from(at > 0)).collect();
            column.typed::<Int64Type>().write_batch(&vec![7; n], Some(&vec![1; n]), Some(&levels)).unwrap();
        }],
    );
    let error = read(&list).unwrap_err();
    let expected = "column l.list.element: row 1 of the row group has more than 1000000 values";
    assert!(error.contains("x.parquet:1: cannot be read") && error.contains(expected), "{error}");
}
