//! [`ByValue`]: rows of a listed table by the whole numbers of one of its columns.

use std::collections::HashMap;

use letgo_query::Value;

/// Which rows have each number, in their order.
pub(super) struct ByValue(HashMap<i64, Vec<u32>>);

impl ByValue {
    pub(super) fn of(rows: &[Vec<Value>], column: usize) -> ByValue {
        let mut found: HashMap<i64, Vec<u32>> = HashMap::new();
        for (at, row) in (0u32..).zip(rows) {
            if let Some(Value::Integer(number)) = row.get(column) {
                found.entry(*number).or_default().push(at);
            }
        }
        ByValue(found)
    }

    /// The row number `nth` of those that have this number.
    pub(super) fn nth(&self, number: i64, nth: usize) -> Option<u32> {
        self.0.get(&number)?.get(nth).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_numbers() {
        let row = |a: u64, b: Value| vec![Value::from(a), b];
        let rows = [
            row(7, Value::Null),
            row(8, Value::from(1u64)),
            row(7, "x".into()),
        ];
        let first = ByValue::of(&rows, 0);
        let all = |number| -> Vec<u32> { (0..).map_while(|nth| first.nth(number, nth)).collect() };
        assert_eq!((all(7), all(8), all(9)), (vec![0, 2], vec![1], vec![]));
        let second = ByValue::of(&rows, 1);
        assert_eq!((second.nth(1, 0), second.nth(1, 1)), (Some(1), None));
    }
}
