//! What `BuckHashSys` counts: the profiles' buckets, their table, and the modules' pointer masks.
//!
//! That the masks are counted there is an oddity of every release.
//!
//! Source: src/runtime/mprof.go, `stkbucket`, `newBucket`; mbitmap.go, `progToPointerMask`;
//! symtab.go, `modulesinit`; go1.19 to go1.27.

use letgo_target::Addr;

use super::Walk;
use crate::{Error, Sys};

impl Walk<'_> {
    /// The buckets, which another walk has found.
    pub(super) fn profile_buckets(&mut self) -> Result<(), Error> {
        let profiles = self.known.buckets;
        for list in [&profiles.memory, &profiles.block, &profiles.mutex] {
            for &(bucket, len) in &list.buckets {
                self.found.add(bucket, len, Sys::BuckHash, "bucket");
            }
        }
        if let Some((table, len)) = profiles.table {
            self.found.add(table, len, Sys::BuckHash, "buckhash");
        }
        Ok(())
    }

    /// One mask for a module's data and one for its bss: a bit a word, and a byte behind that
    /// guards against overflow.
    pub(super) fn pointer_masks(&mut self) -> Result<(), Error> {
        let layout = self.view.layout().moduledata;
        let head = self.view.runtime.moduledata();
        let next = u64::from(layout.next.offset);
        for module in self.list("runtime.firstmoduledata", head, next)? {
            let bytes = self.view.structure(module, layout.size)?;
            let masks = [
                (layout.gcdatamask, layout.data, layout.edata),
                (layout.gcbssmask, layout.bss, layout.ebss),
            ];
            for (mask, start, end) in masks {
                let len = end.get(&bytes).saturating_sub(start.get(&bytes));
                let len = (len / 8).div_ceil(8) + 1;
                let mask: Addr = mask.addr(&bytes);
                self.found
                    .add(mask, len, Sys::BuckHash, "moduledata.gcdatamask");
            }
        }
        Ok(())
    }
}
