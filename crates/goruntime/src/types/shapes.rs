//! [`without_shapes`]: names of types that the compiler made for generic code.
//!
//! Code of a generic function is shared by types that look alike to the garbage collector; in it
//! they are called by what they have in common: `go.shape.int32` is any type that is an int32, and
//! every pointer is `go.shape.*uint8`.
//!
//! Source: src/cmd/compile/internal/noder/reader.go, `shapify`; go1.18 to go1.27.

/// What shapes are called.
const SHAPE: &str = "go.shape.";
/// That of every pointer.
const POINTER: &str = "go.shape.*uint8";

/// A name with what shapes are; `*?` is a pointer of which only that is known.
pub(super) fn without_shapes(name: &str) -> String {
    match name.contains(SHAPE) {
        true => name.replace(POINTER, "*?").replace(SHAPE, ""),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_called_by_what_they_are() {
        let plain = |name| without_shapes(name);
        assert_eq!(plain("go.shape.map[string]int32"), "map[string]int32");
        assert_eq!(
            plain("main.Cache[go.shape.string,go.shape.*uint8]"),
            "main.Cache[string,*?]"
        );
        assert_eq!(plain("map.group[go.shape.int]bool"), "map.group[int]bool");
        assert_eq!(
            plain("map[string]*main.Session"),
            "map[string]*main.Session"
        );
    }
}
