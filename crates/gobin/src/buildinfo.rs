//! Skeleton: bodies follow.
#![allow(missing_docs, reason = "skeleton")]
use crate::{Error, GoVersion, Image};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BuildInfo {
    /// The Go release that built it.
    pub version: GoVersion,
    /// Import path of the main package (`command-line-arguments` for loose files).
    pub path: Option<String>,
    /// Path and version of the main module.
    pub module: Option<(String, String)>,
    /// Build settings, in the order of the file.
    pub settings: Vec<(String, String)>,
}

impl BuildInfo {
    pub fn from_image(_image: &Image) -> Result<BuildInfo, Error> {
        Err(Error::NotGo {
            why: "skeleton".into(),
        })
    }
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|s| s.0 == key)
            .map(|s| s.1.as_str())
    }
    pub fn vcs_revision(&self) -> Option<&str> {
        self.setting("vcs.revision")
    }
    pub fn cgo_enabled(&self) -> Option<bool> {
        self.setting("CGO_ENABLED").map(|v| v == "1")
    }
    pub fn race(&self) -> bool {
        self.setting("-race") == Some("true")
    }
    pub fn msan(&self) -> bool {
        self.setting("-msan") == Some("true")
    }
    pub fn asan(&self) -> bool {
        self.setting("-asan") == Some("true")
    }
    pub fn buildmode(&self) -> Option<&str> {
        self.setting("-buildmode")
    }
}
