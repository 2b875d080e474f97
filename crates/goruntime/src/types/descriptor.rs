//! Where a type's descriptor keeps its fields.
//!
//! Descriptors are written by the compiler and the linker, not laid out with the runtime: delve,
//! gdb's scripts, `reflect` and the linker know these offsets by heart, and they have been the same
//! since go1.18. So they are constants here, and not part of the tables of a release; a test
//! compares them with those tables where both have them.
//!
//! Source: src/cmd/compile/internal/reflectdata/reflect.go; src/internal/abi/type.go (up to 1.20
//! src/runtime/type.go); map_noswiss.go, map_swiss.go, internal/runtime/maps; go1.19 to go1.27. See
//! docs/formats/go-types.md.

/// Bytes of `abi.Type`, which every descriptor starts with.
pub(super) const HEAD: usize = 48;
/// Bytes of the longest descriptor whose fields are read, `abi.MapType` up to `Group`.
pub(super) const LONGEST: usize = 80;

/// `Type.Size_`
pub(super) const SIZE: usize = 0;
/// `Type.PtrBytes`
pub(super) const PTR_BYTES: usize = 8;
/// `Type.Hash`
pub(super) const HASH: usize = 16;
/// `Type.TFlag`
pub(super) const TFLAG: usize = 20;
/// `Type.Align_`
pub(super) const ALIGN: usize = 21;
/// `Type.FieldAlign_`
pub(super) const FIELD_ALIGN: usize = 22;
/// `Type.Kind_`
pub(super) const KIND: usize = 23;
/// `Type.Str`, an offset from the start of the module's types.
pub(super) const STR: usize = 40;

/// `TFlagExtraStar`: the name has a `*` in front that is not its own.
pub(super) const EXTRA_STAR: u8 = 1 << 1;
/// `TFlagNamed`
pub(super) const NAMED: u8 = 1 << 2;
/// `KindDirectIface` up to 1.25, `TFlagDirectIface` from 1.26: an interface holds the value itself.
pub(super) const DIRECT: u8 = 1 << 5;
/// The kind without its flags.
pub(super) const KIND_MASK: u8 = 0x1f;

/// `Elem` of `PtrType`, `SliceType`, `ArrayType`, `ChanType`; `Key` of `MapType`.
pub(super) const ELEM: usize = 48;
/// `ArrayType.Len`
pub(super) const ARRAY_LEN: usize = 64;
/// `MapType.Elem`
pub(super) const MAP_ELEM: usize = 56;
/// `MapType.Group`, `Bucket` of maps without groups.
pub(super) const MAP_PART: usize = 64;
/// `StructType.Fields`, a slice.
pub(super) const FIELDS: usize = 56;

/// Bytes of `abi.StructField`.
pub(super) const FIELD: usize = 24;
/// `StructField.Name`
pub(super) const FIELD_NAME: usize = 0;
/// `StructField.Typ`
pub(super) const FIELD_TYPE: usize = 8;
/// `StructField.Offset`
pub(super) const FIELD_OFFSET: usize = 16;

/// Bytes of `abi.ITab` that are read.
pub(super) const ITAB: usize = 24;
/// `ITab.Inter`
pub(super) const ITAB_INTER: usize = 0;
/// `ITab.Type`
pub(super) const ITAB_TYPE: usize = 8;
/// `ITab.Hash`, a copy of the type's.
pub(super) const ITAB_HASH: usize = 16;

/// Flags of a name, before its length.
pub(super) const NAME_FLAGS: u64 = 1;
/// The name is of an embedded field.
pub(super) const NAME_EMBEDDED: u8 = 1 << 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Layout, choose};

    #[test]
    fn offsets_are_those_of_every_release_that_has_them_in_its_table() {
        let mut compared = 0;
        for minor in 19..=27 {
            let version = format!("go1.{minor}.5").parse().unwrap();
            let layout = Layout::resolve(&choose(&version).unwrap().layouts).unwrap();
            let (Some(own), Some(array), Some(structure), Some(field)) = (
                layout.abi_type,
                layout.abi_array_type,
                layout.abi_struct_type,
                layout.abi_struct_field,
            ) else {
                continue;
            };
            compared += 1;
            let pairs = [
                (own.size, HEAD),
                (own.object_size.unwrap().offset, SIZE),
                (own.ptr_bytes.unwrap().offset, PTR_BYTES),
                (own.tflag.unwrap().offset, TFLAG),
                (own.kind.unwrap().offset, KIND),
                (array.elem.unwrap().offset, ELEM),
                (array.len.unwrap().offset, ARRAY_LEN),
                (structure.fields.unwrap().offset, FIELDS),
                (field.size, FIELD),
                (field.typ.unwrap().offset, FIELD_TYPE),
                (field.offset.unwrap().offset, FIELD_OFFSET),
            ];
            for (theirs, ours) in pairs {
                assert_eq!(theirs as usize, ours, "go1.{minor}");
            }
        }
        assert!(compared >= 6, "only {compared} releases");
    }
}
