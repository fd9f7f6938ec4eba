//! Whole numbers as tools of tables leave them, `3.0` for 3.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A number without anything behind its point.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Whole::deserialize(deserializer).map(|Whole(number)| number)
}

/// A list of such numbers.
pub(crate) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let numbers = Vec::<Whole>::deserialize(deserializer)?;
    Ok(numbers.into_iter().map(|Whole(number)| number).collect())
}

struct Whole(u32);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor).map(Self)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 0 to {}", u32::MAX)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u32, E> {
        u32::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u32, E> {
        u32::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<u32, E> {
        let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just checked")]
        let whole = is_whole.then_some(number as u32);
        whole.ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Countdown, Task};

    #[test]
    fn whole_floats_are_whole_numbers() {
        let task = json!({"type": "countdown", "numbers": [3.0, 5], "target": 8.0});
        let expected = Task::Countdown(Countdown { numbers: vec![3, 5], target: 8 });
        assert_eq!(serde_json::from_value::<Task>(task).ok(), Some(expected));
        for (numbers, target) in [
            (json!([3.5, 5]), json!(8)),
            (json!([3, 5]), json!(-8.0)),
            (json!([3, 5]), json!(4294967296.0)),
            (json!([-1]), json!(8)),
            (json!([4_294_967_296_u64]), json!(8)),
            (json!(["3"]), json!(8)),
        ] {
            let task = json!({"type": "countdown", "numbers": numbers, "target": target});
            let error = serde_json::from_value::<Task>(task).err().map(|error| error.to_string());
            assert!(
                error.is_some_and(|error| error.contains("expected a whole number from 0 to 4294967295"))
            );
        }
    }
}
