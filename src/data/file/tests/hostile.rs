//! Parquet files that state, or unpack to, more than they have, and columns that are left alone.

use std::io::Write;

use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter};
use parquet::file::writer::SerializedColumnWriter;
use serde_json::json;

use super::super::rows::{Fault, rows_with};
use super::super::{Preset, Profile};
use super::stored::{alike, read, texts, written};
use super::*;

/// Where the footer of `content` begins.
fn footer(content: &[u8]) -> usize {
    let at = content.len() - 8;
    at - u32::from_le_bytes(content[at..at + 4].try_into().unwrap()) as usize
}

/// A small column `a` and one `b` with a page of 300 MB.
fn with_large_page() -> Vec<u8> {
    written(
        "message m { required binary a (STRING); required binary b (STRING); }",
        Compression::ZSTD(ZstdLevel::default()),
        &[
            &|column| {
                column.typed::<ByteArrayType>().write_batch(&texts(&[b"2+2?"]), None, None).unwrap();
            },
            &|column| {
                let text = ByteArray::from(vec![b'a'; 300 << 20]);
                column.typed::<ByteArrayType>().write_batch(&[text], None, None).unwrap();
            },
        ],
    )
}

#[test]
fn pages_that_state_nothing_are_refused() {
    let mut content = alike(5, Compression::UNCOMPRESSED);
    let end = footer(&content);
    content[4..end].fill(0);
    let error = read(&content).unwrap_err();
    assert!(error.ends_with("row group 0, column a: the page at 4: its kind is missing"), "{error}");
}

#[test]
fn pages_that_are_named_twice_are_refused() {
    let content = alike(500, Compression::UNCOMPRESSED);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    let group = metadata.row_group(0).clone();
    let twice = ParquetMetaData::new(metadata.file_metadata().clone(), vec![group; 20]);
    let mut content = content[..footer(&content)].to_vec();
    ParquetMetaDataWriter::new(&mut content, &twice).finish().unwrap();
    let error = read(&content).unwrap_err();
    assert!(
        error.contains("column a: with those before it") && error.contains("lie in one another"),
        "{error}"
    );
}

/// A few bytes can stand for a million values of each of many columns.
#[test]
fn values_of_many_columns_that_nothing_is_stored_of_are_refused() {
    let nulls = |column: &mut SerializedColumnWriter<'_>| {
        column.typed::<Int64Type>().write_batch(&[], Some(&vec![0; 950_000]), None).unwrap();
    };
    let columns: Vec<String> = (0..11).map(|index| format!("optional int64 c{index};")).collect();
    let schema = format!("message m {{ {} }}", columns.concat());
    let writers: [&dyn Fn(&mut SerializedColumnWriter<'_>); 11] = [&nulls; 11];
    let content = written(&schema, Compression::UNCOMPRESSED, &writers);
    let error = read(&content).unwrap_err();
    assert!(error.contains("column c10: with those before it 100"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    fs::write(&path, content).unwrap();
    assert_eq!(rows_with(&path, &|name| name == "c3").unwrap().count(), 950_000);
}

/// A text that stands once in the file is a copy in each row.
#[test]
fn rows_that_copy_one_text_are_refused_where_they_are_too_many() {
    let of_rows = |n| {
        written(
            "message m { required binary a (STRING); }",
            Compression::GZIP(GzipLevel::default()),
            &[&|column| {
                let texts = vec![ByteArray::from(vec![b'a'; 8 << 20]); n];
                column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
            }],
        )
    };
    assert_eq!(read(&of_rows(20)).unwrap().len(), 20);
    let error = read(&of_rows(52)).unwrap_err();
    assert!(
        error.contains("the texts up to it have more bytes than are read of a file of its size"),
        "{error}"
    );
}

#[test]
fn what_nobody_asks_for_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    fs::write(&path, with_large_page()).unwrap();
    let mut found = rows_with(&path, &|name| name == "a").unwrap();
    let row = found.next().unwrap().unwrap_or_else(|fault| match fault {
        Fault::Row(error) | Fault::File(error) => panic!("{error:#}"),
    });
    assert_eq!((Value::Object(row.fields.clone()), row.names()), (json!({"a": "2+2?"}), vec!["a", "b"]));
    assert!(found.next().is_none());
    let error = rows_with(&path, &|name| name == "b").err().unwrap();
    assert!(format!("{error:#}").contains("column b: the page at"), "{error:#}");
    // The columns are named as if all were read.
    let file = FileConfig { path, preset: Some(Preset::Gsm8k), ..FileConfig::default() };
    let (_, report) = file.items(None, None).unwrap();
    assert!(report.broken[0].ends_with("no `answer` for `answer`; the columns are a, b"), "{report:?}");
}

#[test]
fn a_profile_leaves_out_what_is_too_large() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    fs::write(&path, with_large_page()).unwrap();
    let found = Profile::read(&path, usize::MAX).unwrap();
    let columns: Vec<_> =
        found.columns.iter().map(|c| (c.path.as_str(), c.kind, &c.example, c.n_rows)).collect();
    assert_eq!(
        columns,
        [("a", "a text", &json!("2+2?"), 1), ("b", "too large to be read here", &Value::Null, 1)]
    );
}

#[test]
fn a_profile_keeps_no_long_texts() {
    let long = format!("{{\"a\": {:?}, \"b\": [{:?}, \"x\"]}}\n", "é".repeat(1 << 20), "y".repeat(3 << 20));
    let files = Files::new(&[("a.jsonl", &long)]);
    let found = Profile::read(&files.path("a.jsonl"), usize::MAX).unwrap();
    assert!(found.columns.iter().all(|column| column.example.to_string().len() <= (1 << 20) + 8));
    assert!(found.columns.iter().all(|column| column.example.to_string().len() > 1_000_000));
}
