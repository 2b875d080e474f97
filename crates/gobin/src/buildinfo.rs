//! [`BuildInfo`]: what the linker wrote down about the build.
//!
//! A 32-byte header that starts with `\xff Go buildinf:`, 16-aligned, in section `.go.buildinfo` or
//! anywhere in a data segment. From 1.18 the version and the module information follow it inline as
//! length-prefixed strings; before, the header held pointers to Go strings.
//! The module information is framed by two 16-byte sentinels and is the text of
//! `runtime/debug.BuildInfo`. It is absent in programs built by `go tool link` directly.
//!
//! Source: src/debug/buildinfo/buildinfo.go, src/cmd/link/internal/ld/data.go (buildinfo),
//! src/runtime/debug/mod.go, go1.13 to go1.27.

use letgo_target::{Addr, AddrRange, ReadMemory, read_bytes, read_u64};
use serde::{Deserialize, Serialize};

use crate::bytes::uvarint;
use crate::image::Scan;
use crate::{Error, GoVersion, Image};

const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGN: u64 = 16;
const HEADER_BYTES: u64 = 32;
const FLAG_BIG_ENDIAN: u8 = 1;
const FLAG_INLINE: u8 = 2;
/// Most bytes of the version string.
const MOST_VERSION_BYTES: u64 = 1 << 10;
/// Most bytes of the module information; 2000 dependencies take 200 KB.
const MOST_MODULE_BYTES: u64 = 16 << 20;
/// Most lines of the module information.
const MOST_LINES: usize = 100_000;
/// Most bytes searched for the magic.
const MOST_SCANNED: u64 = 1 << 30;

/// What the linker wrote down about the build.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BuildInfo {
    /// The Go release that built it.
    pub version: GoVersion,
    /// Import path of the main package (`command-line-arguments` for loose files).
    pub path: Option<String>,
    /// Path and version of the main module; `(devel)` where it was not a release.
    pub module: Option<(String, String)>,
    /// Paths of the modules that it was built from, the main one left out.
    pub dependencies: Vec<String>,
    /// Build settings such as `("CGO_ENABLED", "1")`, in the order of the file.
    pub settings: Vec<(String, String)>,
}

impl BuildInfo {
    /// Finds and reads the build information of an image. Cheap: this is the test for "is it Go?".
    ///
    /// # Errors
    /// [`Error::NotGo`] where there is none, [`Error::Inconsistent`] where it is damaged,
    /// [`Error::Unsupported`] for a version that names no release.
    pub fn from_image(image: &Image) -> Result<BuildInfo, Error> {
        let addr = find(image).ok_or_else(|| Error::NotGo {
            why: "it has no Go build information (\"Go buildinf:\")".to_string(),
        })?;
        BuildInfo::read(image, addr)
    }

    /// Reads the build information whose header lies at `addr`.
    ///
    /// # Errors
    /// As [`BuildInfo::from_image`].
    pub fn read(image: &Image, addr: Addr) -> Result<BuildInfo, Error> {
        let header = read_bytes(image, addr, HEADER_BYTES, HEADER_BYTES)?;
        let (version, module) = match header.get(14..16) {
            Some([_, flags]) if flags & FLAG_INLINE != 0 => {
                let (version, next) =
                    inline_string(image, addr.add(HEADER_BYTES), MOST_VERSION_BYTES)?;
                (version, inline_string(image, next, MOST_MODULE_BYTES)?.0)
            }
            Some([8, flags]) if flags & FLAG_BIG_ENDIAN == 0 => (
                string_behind(image, addr.add(16), MOST_VERSION_BYTES)?,
                string_behind(image, addr.add(24), MOST_MODULE_BYTES)?,
            ),
            _ => return Err(broken(addr, "its pointers are not 8 bytes, little endian")),
        };
        let mut info = BuildInfo {
            version: String::from_utf8_lossy(&version).parse()?,
            path: None,
            module: None,
            dependencies: Vec::new(),
            settings: Vec::new(),
        };
        info.add_module_info(&String::from_utf8_lossy(unframe(&module)));
        Ok(info)
    }

    /// Parses the module information's text; lines that are not understood are passed over.
    fn add_module_info(&mut self, text: &str) {
        for line in text.lines().take(MOST_LINES) {
            let (key, value) = line.split_once('\t').unwrap_or((line, ""));
            match key {
                "path" => self.path = Some(value.to_string()),
                "mod" if self.module.is_none() => {
                    let mut words = value.split('\t');
                    let path = words.next().unwrap_or_default();
                    let version = words.next().unwrap_or_default();
                    self.module = Some((path.to_string(), version.to_string()));
                }
                "dep" => {
                    let path = value.split('\t').next().unwrap_or_default();
                    self.dependencies.push(path.to_string());
                }
                "build" => self.settings.extend(setting(value)),
                _ => {}
            }
        }
    }

    /// The value of a build setting, such as `-ldflags` or `GOAMD64`.
    pub fn setting(&self, key: &str) -> Option<&str> {
        let found = self.settings.iter().find(|(name, _)| name == key)?;
        Some(found.1.as_str())
    }

    /// The commit that was built (`vcs.revision`).
    pub fn vcs_revision(&self) -> Option<&str> {
        self.setting("vcs.revision")
    }

    /// Whether the tree had uncommitted changes (`vcs.modified`).
    pub fn vcs_modified(&self) -> Option<bool> {
        self.setting("vcs.modified").map(|value| value == "true")
    }

    /// Whether cgo was enabled (`CGO_ENABLED`); absent where the build does not say. A build with
    /// cgo enabled need not contain any C code.
    pub fn cgo_enabled(&self) -> Option<bool> {
        self.setting("CGO_ENABLED").map(|value| value == "1")
    }

    /// Whether the race detector is linked in (`-race`): it keeps shadow memory.
    pub fn race(&self) -> bool {
        self.setting("-race") == Some("true")
    }

    /// Whether the memory sanitizer is linked in (`-msan`).
    pub fn msan(&self) -> bool {
        self.setting("-msan") == Some("true")
    }

    /// Whether the address sanitizer is linked in (`-asan`).
    pub fn asan(&self) -> bool {
        self.setting("-asan") == Some("true")
    }

    /// `-buildmode`: `exe`, `pie`, `c-shared`, ...
    pub fn buildmode(&self) -> Option<&str> {
        self.setting("-buildmode")
    }

    /// Whether file names are without the builder's directories (`-trimpath`).
    pub fn trimpath(&self) -> bool {
        self.setting("-trimpath") == Some("true")
    }

    /// The profile that guided optimisation (`-pgo`).
    pub fn pgo(&self) -> Option<&str> {
        self.setting("-pgo")
    }
}

fn broken(addr: Addr, why: &str) -> Error {
    Error::inconsistent("the Go build information", addr, why)
}

/// Where the header is: by section name, else by scanning data segments, else all others.
fn find(image: &Image) -> Option<Addr> {
    let section = image.section(".go.buildinfo");
    let section = section.map(|section| AddrRange::sized(section.addr, section.len));
    let held = |write: bool| {
        let segments = image.segments().iter();
        segments
            .filter(move |segment| segment.write == write)
            .map(|segment| AddrRange::sized(segment.range.start(), segment.file_len))
    };
    let mut scan = Scan::new(image, MAGIC, ALIGN, MOST_SCANNED);
    section
        .into_iter()
        .chain(held(true))
        .chain(held(false))
        .find_map(|range| {
            scan.find(range, &mut |addr| {
                let mut header = [0; 16];
                image.read(addr, &mut header).ok()?;
                let [.., pointer, flags] = header;
                let known = flags & FLAG_INLINE != 0 || pointer == 8;
                known.then_some(addr)
            })
        })
}

/// A length-prefixed string at `addr`, and where the next one starts.
fn inline_string(image: &Image, addr: Addr, limit: u64) -> Result<(Vec<u8>, Addr), Error> {
    let mut prefix = [0; 10];
    let mut held = prefix.len();
    while held > 0 {
        let Some(part) = prefix.get_mut(..held) else {
            break;
        };
        if image.read(addr, part).is_ok() {
            break;
        }
        held -= 1;
    }
    let (len, width) = prefix
        .get(..held)
        .and_then(uvarint)
        .ok_or_else(|| broken(addr, "a string has no length"))?;
    let start = addr.add(width as u64);
    Ok((read_bytes(image, start, len, limit)?, start.add(len)))
}

/// The Go string whose header the pointer at `addr` points to.
fn string_behind(image: &Image, addr: Addr, limit: u64) -> Result<Vec<u8>, Error> {
    let header = image.link_addr(read_u64(image, addr)?);
    if header.is_null() {
        return Ok(Vec::new());
    }
    let start = image.link_addr(read_u64(image, header)?);
    let len = read_u64(image, header.add(8))?;
    Ok(read_bytes(image, start, len, limit)?)
}

/// The text between the two 16-byte sentinels; nothing where they are absent.
fn unframe(framed: &[u8]) -> &[u8] {
    let inner = framed
        .len()
        .checked_sub(16)
        .and_then(|end| framed.get(16..end));
    inner
        .filter(|text| text.ends_with(b"\n"))
        .unwrap_or_default()
}

/// `key=value`, each possibly quoted as a Go string.
fn setting(text: &str) -> Option<(String, String)> {
    let (key, rest) = if text.starts_with('"') {
        unquote(text)?
    } else {
        let (key, _) = text.split_once('=')?;
        (key.to_string(), text.get(key.len()..)?)
    };
    let value = rest.strip_prefix('=')?;
    let value = match value.starts_with('"') {
        true => unquote(value)?.0,
        false => value.to_string(),
    };
    Some((key, value))
}

/// A string in Go's quotes at the start of `text`, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let body = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, body.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                other => value.push(other),
            },
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentinels_are_taken_off_and_text_without_them_is_nothing() {
        let mut framed = vec![b'0'; 16];
        framed.extend(b"path\tx\n");
        framed.extend([b'1'; 16]);
        assert_eq!(unframe(&framed), b"path\tx\n");
        assert_eq!(unframe(b"path\tx\n"), b"");
        assert_eq!(unframe(&[b'\n'; 32]), b"");
    }

    #[test]
    fn settings_may_be_quoted() {
        let pair = |key: &str, value: &str| Some((key.to_string(), value.to_string()));
        assert_eq!(setting("CGO_ENABLED=0"), pair("CGO_ENABLED", "0"));
        assert_eq!(setting("-tags=a=b"), pair("-tags", "a=b"));
        assert_eq!(
            setting(r#"-ldflags="-X main.v=\"1 2\"""#),
            pair("-ldflags", "-X main.v=\"1 2\"")
        );
        assert_eq!(setting(r#""k y"=v"#), pair("k y", "v"));
        assert_eq!(setting(r#"k="open"#), None);
        assert_eq!(setting("nothing"), None);
    }

    #[test]
    fn module_lines_fill_the_fields() {
        let mut info = BuildInfo {
            version: "go1.25.1".parse().unwrap(),
            path: None,
            module: None,
            dependencies: Vec::new(),
            settings: Vec::new(),
        };
        info.add_module_info(
            "path\texample.com/cmd\nmod\texample.com\tv1.2.3\th1:abc\ndep\tother\tv0\n\
             build\t-race=true\nbuild\tvcs.revision=4f3a\nbuild\tCGO_ENABLED=1\n\n",
        );
        assert_eq!(info.path.as_deref(), Some("example.com/cmd"));
        assert_eq!(info.module, Some(("example.com".into(), "v1.2.3".into())));
        assert!(info.race() && !info.msan() && info.cgo_enabled() == Some(true));
        assert_eq!(info.vcs_revision(), Some("4f3a"));
        assert_eq!(info.dependencies, ["other"]);
    }
}
