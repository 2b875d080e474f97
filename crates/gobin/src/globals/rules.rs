//! tbd
use super::Votes;
use crate::{Error, Image, functions::FunctionTable, moduledata::Moduledata};
pub(crate) fn locate(
    _: &Image,
    _: &Moduledata,
    _: &FunctionTable,
    _: &mut Votes,
) -> Result<(), Error> {
    Ok(())
}
