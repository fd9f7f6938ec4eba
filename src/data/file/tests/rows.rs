use serde_json::json;

use super::super::rows::{Fault, rows};
use super::*;

/// Place and columns of each row, or what is wrong with it.
fn read(path: &Path) -> Vec<Result<(String, Value), String>> {
    let place = |text: &str| text.replace(&format!("{}/", path.parent().unwrap().display()), "");
    let read = rows(path).unwrap().map(|row| match row {
        Ok(row) => Ok((place(&row.place), Value::Object(row.fields))),
        Err(Fault::Row(error)) => Err(place(&format!("{error:#}"))),
        Err(Fault::File(error)) => Err(format!("file: {}", place(&format!("{error:#}")))),
    });
    read.collect()
}

fn read_text(name: &str, content: &[u8]) -> Vec<Result<(String, Value), String>> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(name), content).unwrap();
    read(&dir.path().join(name))
}

#[test]
fn numbers_of_a_line_keep_their_digits() {
    let text = b"{\"a\": 42391158275216203514294433201, \"b\": [0.1, 3.14159265358979323846]}\n{\"a\": NaN}";
    let found = read_text("x.jsonl", text);
    let expected = json!({"a": "42391158275216203514294433201", "b": [0.1, "3.14159265358979323846"]});
    assert_eq!(found[0], Ok(("x.jsonl:1".to_owned(), expected)));
    assert!(
        found[1].as_ref().is_err_and(|error| error.starts_with("x.jsonl:2: NaN is no JSON")),
        "{:?}",
        found[1]
    );
}

#[test]
fn lines_are_rows_and_broken_ones_are_named() {
    let content = b"\xef\xbb\xbf{\"a\": 1}\r\n\n  \n{\"a\": 1,}\n[1]\n{\"a\": \"\xff\"}\n{\"a\": \"\xc3\xa9\", \"b\": {\"c\": null}}";
    let found = read_text("x.jsonl", content);
    assert_eq!(found[0], Ok(("x.jsonl:1".to_owned(), json!({"a": 1}))));
    assert_eq!(found[1], Err("x.jsonl:4: trailing comma at column 9".to_owned()));
    assert_eq!(found[2], Err("x.jsonl:5: got a list, expected an object".to_owned()));
    assert!(found[3].as_ref().is_err_and(|e| e.starts_with("x.jsonl:6: invalid unicode")), "{:?}", found[3]);
    assert_eq!(found[4], Ok(("x.jsonl:7".to_owned(), json!({"a": "é", "b": {"c": null}}))));
    assert_eq!(found.len(), 5);
    assert_eq!(read_text("x.NDJSON", b"{}\n"), [Ok(("x.NDJSON:1".to_owned(), json!({})))]);
    assert_eq!(read_text("x.jsonl", b"\n"), []);
}

#[test]
fn an_array_is_read_as_a_whole() {
    let found = read_text("x.json", b"[{\"a\": 1},\n 5, {\"a\": 2}]");
    assert_eq!(found[0], Ok(("x.json:1".to_owned(), json!({"a": 1}))));
    assert_eq!(found[1], Err("x.json:2: got a number, expected an object".to_owned()));
    assert_eq!(found[2], Ok(("x.json:3".to_owned(), json!({"a": 2}))));
    assert_eq!(found.len(), 3);
    assert_eq!(read_text("x.json", b" [ ] \n"), []);
    let files = Files::new(&[
        ("x.json", "\u{feff}\n{\"a\": 1}\n{\"a\": 2}"),
        ("blank.json", " \n"),
        ("text.json", "\"a\""),
        ("x.csv", ""),
        ("x.parquet", "PAR1"),
    ]);
    for (name, expected) in [
        (
            "x.json",
            "x.json: holds an object, expected one array of objects; a file with an object in each line is named .jsonl",
        ),
        ("blank.json", "blank.json: holds nothing, expected one array of objects"),
        ("text.json", "text.json: is no array, expected one array of objects"),
        (
            "x.csv",
            "x.csv: the name ends in no format that can be read; expected .jsonl, .ndjson, .json or .parquet",
        ),
        ("x.parquet", "x.parquet: not a whole Parquet file; if it was downloaded, download it again: "),
        ("no.jsonl", "no.jsonl: cannot be read: No such file"),
    ] {
        let error = rows(&files.path(name)).err().unwrap();
        let error = files.short(&format!("{error:#}"));
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn an_array_is_read_item_by_item_to_where_it_is_broken() {
    let good = |n: usize, value: Value| Ok((format!("x.json:{n}"), value));
    let text = b"[{\"a\": \"],[\\\"\"}, {\"a\": [1, {}]},, {\"a\"\n: 1,},{\"a\": 12345678901234567890123},]";
    let found = read_text("x.json", text);
    assert_eq!(found[0], good(1, json!({"a": "],[\""})));
    assert_eq!(found[1], good(2, json!({"a": [1, {}]})));
    assert_eq!(found[2], Err("x.json:3: nothing stands between two commas, or behind the last".to_owned()));
    assert_eq!(found[3], Err("x.json:4: trailing comma at line 2 of it, column 5".to_owned()));
    assert_eq!(found[4], good(5, json!({"a": "12345678901234567890123"})));
    assert_eq!(found[5], Err("x.json:6: nothing stands between two commas, or behind the last".to_owned()));
    assert_eq!(found.len(), 6);
    for (text, expected) in [
        (&b"[{}, {"[..], "file: x.json:2: the file ends within the array"),
        (b"[{}] {}", "file: x.json:1: something stands behind the array, expected one array of objects"),
        (b"[", "file: x.json:1: the file ends within the array"),
    ] {
        assert_eq!(read_text("x.json", text).pop(), Some(Err(expected.to_owned())));
    }
}

#[test]
fn what_is_no_file_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["x.jsonl", "x.json", "x.parquet"] {
        let path = dir.path().join(name);
        fs::create_dir(&path).unwrap();
        let error = format!("{:#}", rows(&path).err().unwrap());
        assert!(
            error.ends_with(&format!("{name}: cannot be read: it is a folder, expected a file")),
            "{error}"
        );
        fs::remove_dir(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = format!("{:#}", rows(&path).err().unwrap());
        assert!(
            error.ends_with(&format!("{name}: cannot be read: it is a pipe, expected a file")),
            "{error}"
        );
    }
}

#[test]
fn parquet_is_read_in_every_codec() {
    let expected = [
        json!({"target": 98, "nums": [44, 19, 35]}),
        json!({"target": 64, "nums": [63, 95, 96]}),
        json!({"target": 28, "nums": [95, 11, 56, 50]}),
    ];
    for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"] {
        let name = format!("countdown_{codec}.parquet");
        let expected: Vec<_> =
            (1..).zip(&expected).map(|(n, row)| Ok((format!("{name}:{n}"), row.clone()))).collect();
        assert_eq!(read(&golden(&name)), expected);
    }
}

#[test]
fn parquet_values_are_those_of_json() {
    let found = read(&golden("kinds.parquet"));
    let expected = json!({
        "text": "é\n", "word": "same", "whole": 9_007_199_254_740_993_u64, "small": 200, "float": 27.0, "yes": true,
        "lists": [[1, 2], [], [3]], "nested": {"a": {"b": ["x", "y"]}}, "money": null,
    });
    assert_eq!(found[0].as_ref().unwrap().1, expected);
    let nulls = &found[1].as_ref().unwrap().1;
    assert!(object(nulls.clone()).values().all(Value::is_null), "{nulls}");
}

#[test]
fn parquet_rows_are_numbered_through_all_row_groups() {
    let found = read(&golden("conversations.parquet"));
    let places: Vec<_> = found.iter().map(|row| row.as_ref().unwrap().0.clone()).collect();
    assert_eq!(places, (1..=5).map(|n| format!("conversations.parquet:{n}")).collect::<Vec<_>>());
    assert_eq!(found[3].as_ref().unwrap().1["extra_info"]["index"], "index-3");
}

/// Whatever happened to a Parquet file, it is read or refused.
#[test]
fn damaged_parquet_ends_in_an_error() {
    let whole = fs::read(golden("conversations.parquet")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    for length in [0, 4, 100, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(rows(&path).is_err(), "{length}");
    }
    let mut n_faults = 0;
    for at in (0..whole.len()).step_by(13) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        let Ok(read) = rows(&path) else { continue };
        let found: Vec<_> = read.take(100).collect();
        let fault = found.iter().position(|row| matches!(row, Err(Fault::File(_))));
        assert!(fault.is_none_or(|at| at + 1 == found.len()), "something follows");
        n_faults += usize::from(fault.is_some());
    }
    assert!(n_faults > 0);
}
