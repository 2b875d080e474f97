//! [`Kind`]: one way of building a Go program.
//!
//! Everything that changes what a reader finds in the binary or in the process: build mode, cgo,
//! what was stripped, experiments, sanitizers, PGO, `-trimpath`. Not the Go version (see
//! [`crate::Toolchain`]).

use std::fmt;

/// What was taken out of the binary.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Strip {
    /// Nothing: symbol table and DWARF are there.
    #[default]
    None,
    /// `-ldflags=-s -w`: no DWARF and no symbol table, by the Go linker.
    LinkerSw,
    /// `strip -s` of binutils: no symbol table and no debug sections.
    StripS,
}

/// Shadow memory that a build carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sanitizer {
    /// `-race`; needs cgo before Go 1.20.
    Race,
    /// `-msan`; needs clang.
    Msan,
    /// `-asan`; needs gcc 7 or clang.
    Asan,
}

/// For which processor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Arch {
    /// x86-64, the one that letgo reads.
    #[default]
    Amd64,
    /// 32-bit x86: runs here, and must be refused.
    I386,
    /// 64-bit ARM: does not run here; a file to be refused.
    Arm64,
}

/// One way of building a Go program. The default is a plain executable, pure Go, with symbols.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Kind {
    /// `-buildmode=pie` instead of `exe`.
    pub pie: bool,
    /// Whether C code is linked in.
    pub cgo: bool,
    /// `-ldflags=-linkmode=internal`: Go's own linker takes the C code in, as it does where only
    /// the standard library has any.
    pub internal: bool,
    /// What was taken out.
    pub strip: Strip,
    /// `GOEXPERIMENT`, in order.
    pub experiments: Vec<&'static str>,
    /// Shadow memory.
    pub sanitizer: Option<Sanitizer>,
    /// `-pgo` with a profile of an allocation-heavy program, so that the runtime itself is inlined
    /// in another way.
    pub pgo: bool,
    /// `-trimpath`.
    pub trimpath: bool,
    /// The processor.
    pub arch: Arch,
}

impl Kind {
    /// A plain executable, pure Go, with symbols.
    pub fn plain() -> Kind {
        Kind::default()
    }

    /// A position-independent executable, pure Go, `strip -s`.
    pub fn stripped_pie() -> Kind {
        Kind {
            pie: true,
            strip: Strip::StripS,
            ..Kind::default()
        }
    }

    /// A plain executable with C code, with symbols.
    pub fn cgo() -> Kind {
        Kind {
            cgo: true,
            ..Kind::default()
        }
    }

    /// This kind under `GOEXPERIMENT`.
    #[must_use]
    pub fn experiment(mut self, name: &'static str) -> Kind {
        self.experiments.push(name);
        self
    }

    /// This kind with shadow memory; turns cgo on.
    #[must_use]
    pub fn sanitized(mut self, sanitizer: Sanitizer) -> Kind {
        self.sanitizer = Some(sanitizer);
        self.cgo = true;
        self
    }
}

/// The kind as a word: `exe`, `pie-cgo-strip`, `exe-X:nogreenteagc`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.pie { "pie" } else { "exe" })?;
        let strip = match self.strip {
            Strip::None => "",
            Strip::LinkerSw => "-sw",
            Strip::StripS => "-strip",
        };
        let sanitizer = match self.sanitizer {
            None => "",
            Some(Sanitizer::Race) => "-race",
            Some(Sanitizer::Msan) => "-msan",
            Some(Sanitizer::Asan) => "-asan",
        };
        let arch = match self.arch {
            Arch::Amd64 => "",
            Arch::I386 => "-386",
            Arch::Arm64 => "-arm64",
        };
        f.write_str(if self.cgo { "-cgo" } else { "" })?;
        f.write_str(if self.internal { "-internal" } else { "" })?;
        f.write_str(strip)?;
        f.write_str(sanitizer)?;
        f.write_str(if self.pgo { "-pgo" } else { "" })?;
        f.write_str(if self.trimpath { "-trimpath" } else { "" })?;
        f.write_str(arch)?;
        for experiment in &self.experiments {
            write!(f, "-X:{experiment}")?;
        }
        Ok(())
    }
}
