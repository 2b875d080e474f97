//! Questions about a made-up table.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::*;

/// Numbers from 0 up: `n`, `half` (rising as well), and its name.
struct Numbers {
    len: i64,
    read: Cell<u64>,
}

const COLUMNS: [Column; 3] = [
    Column {
        name: "n",
        kind: Kind::Integer,
        about: "the number",
    },
    Column {
        name: "half",
        kind: Kind::Integer,
        about: "half of it",
    },
    Column {
        name: "name",
        kind: Kind::Text,
        about: "in words; null where it is a multiple of ten",
    },
];

struct Some {
    table: Rc<Numbers>,
    at: i64,
    end: i64,
}

impl Table for Numbers {
    fn name(&self) -> &'static str {
        "numbers"
    }

    fn about(&self) -> &'static str {
        "numbers"
    }

    fn columns(&self) -> &[Column] {
        &COLUMNS
    }

    fn len(&self) -> u64 {
        self.len.cast_unsigned()
    }

    fn finds(&self, column: usize) -> Option<u64> {
        match column {
            0 => Some(1),
            1 => Some(2),
            _ => None,
        }
    }

    fn sorts(&self, column: usize) -> bool {
        column < 2
    }

    fn open(self: Rc<Self>, ask: Ask) -> Result<Box<dyn Rows>, String> {
        let range = match ask {
            Ask::Equal(0, 666) => return Err("nobody reads this one".into()),
            Ask::Equal(0, value) => value..(value + 1).min(self.len),
            Ask::Equal(1, value) => value * 2..(value * 2 + 2).min(self.len),
            Ask::All | Ask::Sorted(_) | Ask::Equal(..) => 0..self.len,
        };
        Ok(Box::new(Some {
            table: self,
            at: range.start - 1,
            end: range.end,
        }))
    }
}

impl Rows for Some {
    fn next(&mut self) -> Result<bool, String> {
        self.at += 1;
        self.table.read.set(self.table.read.get() + 1);
        Ok(self.at < self.end)
    }

    fn value(&self, column: usize) -> Result<Value, String> {
        Ok(match column {
            0 => Value::Integer(self.at),
            1 => Value::Integer(self.at / 2),
            _ if self.at % 10 == 0 => Value::Null,
            _ => format!("number {}", self.at).into(),
        })
    }
}

#[derive(Default)]
struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Take for Answer {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.columns = names.to_vec();
        Ok(())
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        self.rows.push(values.to_vec());
        Ok(())
    }
}

fn database(limits: Limits) -> (Database, Rc<Numbers>) {
    let numbers = Rc::new(Numbers {
        len: 100_000,
        read: Cell::new(0),
    });
    let tables: [Rc<dyn Table>; 1] = [Rc::clone(&numbers) as Rc<dyn Table>];
    (Database::new(&tables, limits).unwrap(), numbers)
}

fn ask(sql: &str) -> Result<Answer, Error> {
    let mut answer = Answer::default();
    let (database, _) = database(Limits::default());
    database.ask(sql, &mut answer).map(|()| answer)
}

#[test]
fn questions_are_answered() {
    let answer = ask("select count(*), sum(n) as all_of_it, count(name) from numbers;").unwrap();
    assert_eq!(answer.columns, ["count(*)", "all_of_it", "count(name)"]);
    let all = [100_000, 99_999 * 50_000, 90_000].map(Value::Integer);
    assert_eq!(answer.rows, [all]);
    let answer = ask("select half, count(*) from numbers group by 1 limit 2").unwrap();
    let pair = |a, b| vec![Value::Integer(a), Value::Integer(b)];
    assert_eq!(answer.rows, [pair(0, 2), pair(1, 2)]);
    let answer = ask("select n, half from numbers order by n desc limit 1").unwrap();
    assert_eq!(answer.rows, [pair(99_999, 49_999)]);
    let answer = ask("select addr(824633720832), addr('x'), 1.5, x'0aff'").unwrap();
    let cells = [
        Value::from("0xc000000000"),
        Value::Null,
        Value::Real(1.5),
        Value::from("0aff"),
    ];
    assert_eq!(answer.rows, [cells]);
    let recursive = "with recursive t(x) as (select 1 union all select x + 1 from t limit 5)
                     select sum(x) from t";
    assert_eq!(ask(recursive).unwrap().rows, [[Value::Integer(15)]]);
}

#[test]
fn one_row_is_found_without_the_others_and_joined() {
    let (database, numbers) = database(Limits::default());
    let mut answer = Answer::default();
    let sql = "select b.name from numbers a join numbers b on b.n = a.half where a.n = 7";
    database.ask(sql, &mut answer).unwrap();
    assert_eq!(answer.rows, [[Value::from("number 3")]]);
    assert!(numbers.read.get() < 10, "{}", numbers.read.get());
    let mut answer = Answer::default();
    database
        .ask("select n from numbers where n = 'x'", &mut answer)
        .unwrap();
    assert!(answer.rows.is_empty());
}

#[test]
fn nothing_is_looked_through_for_null() {
    let (database, numbers) = database(Limits::default());
    let mut answer = Answer::default();
    let sql = "with few(x) as (values (null), (8)) select few.x, b.name from few
               left join numbers b on b.n = few.x";
    database.ask(sql, &mut answer).unwrap();
    let rows = [
        [Value::Null, Value::Null],
        [Value::Integer(8), Value::from("number 8")],
    ];
    assert_eq!(answer.rows, rows);
    assert!(numbers.read.get() < 10, "{}", numbers.read.get());
}

#[test]
fn of_two_ways_to_find_rows_the_shorter_one_is_gone() {
    for both in ["half = 4 and n = 9", "n = 9 and half = 4"] {
        let (database, numbers) = database(Limits::default());
        let mut answer = Answer::default();
        let sql = format!("select n from numbers where {both}");
        database.ask(&sql, &mut answer).unwrap();
        assert_eq!(answer.rows, [[Value::Integer(9)]]);
        assert_eq!(numbers.read.get(), 2, "one, and none behind it");
    }
}

#[test]
fn what_is_no_question_is_refused() {
    for sql in [
        "attach '/etc/passwd' as x",
        "create table x (a)",
        "create temp table x as select * from numbers",
        "insert into numbers values (1, 2, '3')",
        "delete from numbers",
        "pragma temp_store = file",
        "select load_extension('x')",
        "vacuum into '/tmp/x'",
        "begin",
        "drop table numbers",
        "explain select load_extension('x')",
    ] {
        let error = ask(sql).err();
        // Of a virtual table that cannot be written SQLite says so first.
        let refused = matches!(error, Some(Error::NotAllowed | Error::Sql(_)));
        assert!(refused, "{sql}: {error:?}");
    }
    assert!(matches!(ask("attach 'x' as y"), Err(Error::NotAllowed)));
    assert!(matches!(ask(" -- nothing"), Err(Error::Nothing)));
    assert!(matches!(ask("select 1; select 2"), Err(Error::Several)));
    assert!(ask("select readfile('/etc/passwd')").is_err());
    assert!(ask("select writefile('/tmp/x', 'y')").is_err());
    let error = ask("select nn from numbers").err().unwrap();
    assert!(error.to_string().contains("no such column: nn"), "{error}");
    let error = ask("select * from numbers where n = 666").err().unwrap();
    assert!(error.to_string().contains("nobody reads"), "{error}");
}

#[test]
fn a_question_is_checked_without_a_row() {
    let (database, numbers) = database(Limits::default());
    database
        .check("select half from numbers where n = 666")
        .unwrap();
    for wrong in ["select nn from numbers", "select 1; select 2", "", "begin"] {
        assert!(database.check(wrong).is_err(), "{wrong}");
    }
    assert_eq!(numbers.read.get(), 0);
}

#[test]
fn limits_end_questions_that_do_not() {
    let (database, _) = database(Limits {
        time: Duration::ZERO,
        ..Limits::default()
    });
    let sql = "select count(*) from numbers a, numbers b";
    let error = database.ask(sql, &mut Answer::default()).err();
    assert!(matches!(error, Some(Error::Time { .. })), "{error:?}");
}
