//! [`Database`]: tables that can be asked.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::vtab::eponymous_only_module;
use rusqlite::{Batch, Connection, ErrorCode, Statement};

use crate::module::Lent;
use crate::{Error, Table, Value};

/// Steps of SQLite's machine between two looks at the clock.
const LOOK: i32 = 100_000;
/// Bytes of a question, and of a cell.
const MOST_TEXT: i32 = 1 << 20;

/// What a question may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes that SQLite holds at once: what is sorted or grouped. Of the whole process.
    pub memory_bytes: u64,
    /// Time.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes: 2 << 30,
            time: Duration::from_secs(600),
        }
    }
}

/// Takes an answer.
pub trait Take {
    /// Takes the names of its columns; comes first.
    ///
    /// # Errors
    /// Those of writing.
    fn columns(&mut self, names: &[String]) -> io::Result<()>;

    /// Takes a row.
    ///
    /// # Errors
    /// Those of writing.
    fn row(&mut self, values: &[Value]) -> io::Result<()>;
}

/// Tables that can be asked.
pub struct Database {
    connection: Connection,
    limits: Limits,
}

impl Database {
    /// Lends the tables to an SQLite of its own, in memory.
    ///
    /// # Errors
    /// [`Error::Sql`] where SQLite says so.
    pub fn new(tables: &[Rc<dyn Table>], limits: Limits) -> Result<Database, Error> {
        let made = Connection::open_in_memory().and_then(|connection| {
            connection.pragma_update(None, "temp_store", "memory")?;
            let bytes = i64::try_from(limits.memory_bytes).unwrap_or(i64::MAX);
            connection.pragma_update(None, "hard_heap_limit", bytes)?;
            connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
            connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, MOST_TEXT)?;
            connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MOST_TEXT)?;
            addr(&connection)?;
            for table in tables {
                let module = eponymous_only_module::<Lent>();
                connection.create_module(table.name(), module, Some(Rc::clone(table)))?;
            }
            connection.authorizer(Some(authorize));
            Ok(connection)
        });
        let connection = made.map_err(|error| Error::Sql(error.to_string()))?;
        Ok(Database { connection, limits })
    }

    /// Whether a text is one question that these tables can be asked; no row is made for that.
    ///
    /// # Errors
    /// [`Error`].
    pub fn check(&self, sql: &str) -> Result<(), Error> {
        self.statement(sql).map(drop)
    }

    /// The one question in a text.
    fn statement(&self, sql: &str) -> Result<Statement<'_>, Error> {
        let mut batch = Batch::new(&self.connection, sql);
        let mut next = || batch.next().map_err(|error| self.told(&error));
        let statement = next()?.ok_or(Error::Nothing)?;
        match next()? {
            Some(_) => Err(Error::Several),
            None => Ok(statement),
        }
    }

    /// Asks one question.
    ///
    /// # Errors
    /// [`Error`].
    pub fn ask(&self, sql: &str, take: &mut dyn Take) -> Result<(), Error> {
        let until = Instant::now().checked_add(self.limits.time);
        let late = move || until.is_some_and(|until| Instant::now() > until);
        self.connection.progress_handler(LOOK, Some(late));
        let mut statement = self.statement(sql)?;
        let answered = self.answer(&mut statement, take);
        self.connection.progress_handler(0, None::<fn() -> bool>);
        answered
    }

    fn answer(&self, statement: &mut Statement<'_>, take: &mut dyn Take) -> Result<(), Error> {
        let told = |error: rusqlite::Error| self.told(&error);
        let names: Vec<String> = statement
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        take.columns(&names)?;
        let mut values = Vec::with_capacity(names.len());
        let mut rows = statement.query([]).map_err(told)?;
        while let Some(row) = rows.next().map_err(told)? {
            values.clear();
            for column in 0..names.len() {
                values.push(value(row.get_ref(column).map_err(told)?));
            }
            take.row(&values)?;
        }
        Ok(())
    }

    fn told(&self, error: &rusqlite::Error) -> Error {
        match error {
            rusqlite::Error::SqliteFailure(code, text) => match code.code {
                ErrorCode::AuthorizationForStatementDenied => Error::NotAllowed,
                ErrorCode::OperationInterrupted => Error::Time {
                    seconds: self.limits.time.as_secs(),
                },
                ErrorCode::OutOfMemory => Error::Memory {
                    limit: self.limits.memory_bytes,
                },
                _ => Error::Sql(text.clone().unwrap_or_else(|| error.to_string())),
            },
            rusqlite::Error::SqlInputError { error, msg, .. } => match error.code {
                ErrorCode::AuthorizationForStatementDenied => Error::NotAllowed,
                _ => Error::Sql(msg.clone()),
            },
            rusqlite::Error::ModuleError(text) => Error::Table(text.clone()),
            other => Error::Sql(other.to_string()),
        }
    }
}

/// Only questions: what reads tables, and functions that read nothing else.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
        AuthAction::Function { function_name } => match function_name {
            "load_extension" | "fts3_tokenizer" => Authorization::Deny,
            _ => Authorization::Allow,
        },
        _ => Authorization::Deny,
    }
}

/// `addr(n)`: a number as an address, `0xc000123440`.
fn addr(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("addr", 1, flags, |context| {
        Ok(match context.get_raw(0) {
            ValueRef::Integer(number) => Some(format!("{:#x}", number.cast_unsigned())),
            _ => None,
        })
    })
}

fn value(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            Value::Text(digits.collect())
        }
    }
}
