//! [`Lent`]: a [`Table`] as SQLite wants to see it.
//!
//! Source: sqlite.org, `vtab.html`: `xBestIndex`, `xFilter`, `xNext`, `xColumn`.

#![allow(
    unsafe_code,
    reason = "the binding's traits are unsafe to implement; there is no unsafe block"
)]

use std::ffi::c_int;
use std::rc::Rc;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, VTab, VTabConnection, VTabCursor, sqlite3_vtab,
    sqlite3_vtab_cursor,
};

use crate::{Ask, Rows, Table, Value};

/// Ways of reading a table, as one number: all, then sorted by each column, then each by a value.
const SORTED: usize = 1;
const EQUAL: usize = 1 << 16;

/// A table that was lent to SQLite.
#[repr(C)]
pub(crate) struct Lent {
    /// As SQLite wants it: first.
    base: sqlite3_vtab,
    table: Rc<dyn Table>,
}

// SAFETY: `base` is the first field, of the type that SQLite wants there, and the layout is C's.
unsafe impl<'vtab> VTab<'vtab> for Lent {
    type Aux = Rc<dyn Table>;
    type Cursor = Cursor;

    fn connect(
        _db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _args: &[&[u8]],
    ) -> rusqlite::Result<(String, Lent)> {
        let Some(table) = aux else {
            return Err(told("a table without rows"));
        };
        let columns = table.columns().iter();
        let columns = columns.map(|column| format!("{} {}", column.name, column.kind.as_str()));
        let columns: Vec<String> = columns.collect();
        let lent = Lent {
            base: sqlite3_vtab::default(),
            table: Rc::clone(table),
        };
        Ok((format!("create table t ({})", columns.join(", ")), lent))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<()> {
        let rows = self.table.len().max(1);
        if let Some((at, column, found)) = self.found(info) {
            info.constraint_usage(at).set_argv_index(1);
            info.set_idx_num(number(EQUAL + column));
            info.set_estimated_cost(found as f64);
            info.set_estimated_rows(i64::try_from(found).unwrap_or(i64::MAX));
            return Ok(());
        }
        let order: Vec<(c_int, bool)> = info
            .order_bys()
            .map(|order| (order.column(), order.is_order_by_desc()))
            .collect();
        if let [(column, false)] = order.as_slice()
            && let Ok(column) = usize::try_from(*column)
            && self.table.sorts(column)
        {
            info.set_idx_num(number(SORTED + column));
            info.set_order_by_consumed(true);
        }
        info.set_estimated_cost(rows as f64);
        info.set_estimated_rows(i64::try_from(rows).unwrap_or(i64::MAX));
        Ok(())
    }

    fn open(&'vtab mut self) -> rusqlite::Result<Cursor> {
        Ok(Cursor {
            base: sqlite3_vtab_cursor::default(),
            table: Rc::clone(&self.table),
            rows: None,
            row: 0,
        })
    }
}

impl Lent {
    /// Which constraint leads to the fewest rows, its column, and about how many these are.
    fn found(&self, info: &IndexInfo) -> Option<(usize, usize, u64)> {
        let equal = IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ;
        let constraints = info.constraints().enumerate();
        let usable = constraints.filter(|(_, one)| one.is_usable() && one.operator() == equal);
        let found = usable.filter_map(|(at, one)| {
            let column = usize::try_from(one.column()).ok()?;
            Some((at, column, self.table.finds(column)?.max(1)))
        });
        found.min_by_key(|(_, _, rows)| *rows)
    }
}

fn number(number: usize) -> c_int {
    c_int::try_from(number).unwrap_or(0)
}

fn told(why: impl Into<String>) -> rusqlite::Error {
    rusqlite::Error::ModuleError(why.into())
}

/// Where a question is in a table.
#[repr(C)]
pub(crate) struct Cursor {
    /// As SQLite wants it: first.
    base: sqlite3_vtab_cursor,
    table: Rc<dyn Table>,
    /// Nothing behind the last row.
    rows: Option<Box<dyn Rows>>,
    row: i64,
}

// SAFETY: as of [`Lent`].
unsafe impl VTabCursor for Cursor {
    fn filter(
        &mut self,
        way: c_int,
        _name: Option<&str>,
        args: &Filters<'_>,
    ) -> rusqlite::Result<()> {
        let way = usize::try_from(way).unwrap_or(0);
        let wanted = args.iter().next();
        self.row = 0;
        self.rows = None;
        if way >= EQUAL && matches!(wanted, Some(ValueRef::Null)) {
            // Nothing is equal to it.
            return Ok(());
        }
        let ask = match (way.checked_sub(EQUAL), wanted) {
            (Some(column), Some(ValueRef::Integer(value))) => Ask::Equal(column, value),
            // No number is equal to it; SQLite knows that, and looks at all.
            (Some(_), _) => Ask::All,
            (None, _) if way >= SORTED => Ask::Sorted(way - SORTED),
            _ => Ask::All,
        };
        self.rows = Some(Rc::clone(&self.table).open(ask).map_err(told)?);
        self.next()
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.row += 1;
        if let Some(rows) = &mut self.rows
            && !rows.next().map_err(told)?
        {
            self.rows = None;
        }
        Ok(())
    }

    fn eof(&self) -> bool {
        self.rows.is_none()
    }

    fn column(&self, context: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let (Some(rows), Ok(column)) = (&self.rows, usize::try_from(column)) else {
            return Ok(());
        };
        context.set_result(&rows.value(column).map_err(told)?)
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok(self.row)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}
