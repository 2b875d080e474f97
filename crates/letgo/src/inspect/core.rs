//! [`Core`]: a core file, and the program that dumped it.

use std::fs::{File, Metadata};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use letgo_corefile::CoreFile;
use letgo_gobin::{BuildInfo, Image};
use letgo_report::Method;
use letgo_target::{Addr, AddrRange, Coverage, Mapping, PageKind, PageRun, Registers, Residency};

use super::modules::is_plugin;
use super::plugins::PluginImages;
use super::view::{Held, View, hands};
use super::{Program, Surroundings, complaints};
use crate::complaint::Complaint;

/// Files that are looked at for plugins.
const MOST_FILES: usize = 1024;

/// A core file that can be read.
#[derive(Debug)]
pub struct Core {
    /// The program that dumped it.
    pub program: Program,
    file: Arc<CoreFile>,
    at: SystemTime,
}

impl Core {
    /// Opens a core, and the executable that dumped it: the one given, or the one at the path that
    /// the core names.
    ///
    /// # Errors
    /// A [`Complaint`]: no core of ours, no executable or another one, no Go program.
    pub fn open(path: &Path, exe: Option<&Path>) -> Result<Core, Complaint> {
        let told = |error: &letgo_corefile::Error| complaints::of_core(error, path);
        let mut file = CoreFile::open(path).map_err(|error| told(&error))?;
        let named = file.exe_path().map(str::to_owned);
        let (Some(entry), Some(named)) = (file.entry(), named) else {
            return Err(Complaint::no_report(
                format!(
                    "the core file {} does not say which program it is of",
                    path.display()
                ),
                "It may be cut: dump it once more, or save all of it",
            ));
        };
        let exe = exe.unwrap_or(Path::new(&named));
        let opened = || Ok::<_, std::io::Error>((File::open(exe)?, File::open(exe)?));
        let (source, image) = opened().map_err(|error| {
            Complaint::no_report(
                format!("the executable {} cannot be read: {error}", exe.display()),
                "Give the one that dumped the core with --exe FILE",
            )
        })?;
        file.attach(&named, Box::new(source))
            .map_err(|error| told(&error))?;
        let pid = file.pid().unwrap_or(0);
        let binary = Image::from_file(image).and_then(crate::facts::open);
        let binary = binary.map_err(|error| complaints::of_binary(&error, pid))?;
        let bias = binary.image.bias_from_entry(entry);
        let plugins = attach_plugins(&mut file, &named);
        let file = Arc::new(file);
        let at = std::fs::metadata(path).and_then(|meta| meta.modified());
        let mut program = Program::new(pid, named.clone(), Arc::new(binary), bias);
        program.file = Some(path.to_owned());
        let memory = Arc::clone(&file);
        let images = PluginImages::of_memory(memory, file.mappings());
        program.plugin_images = Some(images.and_files(plugins));
        Ok(Core {
            program,
            file,
            at: at.unwrap_or(SystemTime::UNIX_EPOCH),
        })
    }

    /// What is missing of it.
    pub fn coverage(&self) -> Coverage {
        self.file.coverage()
    }

    /// What little it says of what surrounded the process.
    pub fn around(&self) -> Surroundings {
        Surroundings {
            threads: self.file.threads().len() as u64,
            ..Surroundings::default()
        }
    }

    /// Its memory.
    pub fn view(&self) -> View {
        let mappings = self.file.mappings();
        let threads = self.file.threads().iter();
        let threads: Vec<Registers> = threads.map(|thread| thread.registers).collect();
        View {
            method: Method::Core,
            at: self.at,
            ran_on: None,
            monotonic_ns: None,
            memory: Box::new(Arc::clone(&self.file)),
            residency: Arc::new(held(&self.file.readable(), &mappings)),
            mappings,
            rss: None,
            registers: hands(&threads),
            threads,
            pause_predicted: None,
            why: None,
            held: Held::Nothing,
        }
    }
}

/// Lets the files of plugins answer for what the core left out, where they are still those that
/// were loaded: the files, and what was added to their link-time addresses.
fn attach_plugins(file: &mut CoreFile, exe: &str) -> Vec<(Image, u64)> {
    let firsts = file.files().iter().filter(|first| first.offset == 0);
    let others = firsts.filter(|first| first.path != exe);
    let others = others.map(|first| (first.path.clone(), first.range.start()));
    let mut others: Vec<(String, Addr)> = others.take(MOST_FILES).collect();
    others.dedup_by(|one, other| one.0 == other.0);
    let attach = |(path, start): (String, Addr)| {
        // Looked at before it is opened: the path may lead to something that blocks by now.
        std::fs::metadata(&path).ok().filter(Metadata::is_file)?;
        let image = Image::from_file(File::open(&path).ok()?).ok()?;
        let build = BuildInfo::from_image(&image).ok();
        if !is_plugin(&image, build.as_ref()) {
            return None;
        }
        // Another build answers for nothing.
        file.attach(&path, Box::new(File::open(&path).ok()?)).ok()?;
        let bias = image.bias_from_lowest(start);
        Some((image, bias))
    };
    others.into_iter().filter_map(attach).collect()
}

/// What a core holds, as if the rest had not been resident: a core does not say what was.
fn held(ranges: &[AddrRange], mappings: &[Mapping]) -> Residency {
    let mut residency = Residency::default();
    for range in ranges {
        let first = mappings.partition_point(|mapping| mapping.range.end() <= range.start());
        let behind = mappings.get(first..).unwrap_or_default().iter();
        for mapping in behind.take_while(|mapping| mapping.range.start() < range.end()) {
            let kind = match mapping.is_file() && !mapping.permissions.write {
                true => PageKind::File,
                false => PageKind::Anon,
            };
            let range = range.intersect(mapping.range);
            residency.push(PageRun { range, kind });
        }
    }
    residency
}

#[cfg(test)]
mod tests {
    use letgo_target::{Addr, Permissions};

    use super::*;

    fn mapping(start: u64, end: u64, name: &str, write: bool) -> Mapping {
        Mapping {
            range: AddrRange::new(Addr(start), Addr(end)),
            permissions: Permissions {
                read: true,
                write,
                ..Permissions::default()
            },
            inode: u64::from(!name.is_empty()),
            name: name.into(),
            ..Mapping::default()
        }
    }

    #[test]
    fn what_is_held_has_the_kind_of_its_mapping() {
        let mappings = [
            mapping(0x1000, 0x3000, "/srv/api", false),
            mapping(0x3000, 0x5000, "", true),
            mapping(0x9000, 0xa000, "", true),
        ];
        let ranges = [(0x2000, 0x4000), (0x9000, 0xa000)];
        let ranges = ranges.map(|(start, end)| AddrRange::new(Addr(start), Addr(end)));
        let residency = held(&ranges, &mappings);
        let kinds: Vec<_> = residency
            .runs()
            .iter()
            .map(|run| (run.range.start().0, run.range.end().0, run.kind))
            .collect();
        let expected = [
            (0x2000, 0x3000, PageKind::File),
            (0x3000, 0x4000, PageKind::Anon),
            (0x9000, 0xa000, PageKind::Anon),
        ];
        assert_eq!(kinds, expected);
    }
}
