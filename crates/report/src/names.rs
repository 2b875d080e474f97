//! [`short`]: names of functions, variables and types without the paths of their packages.
//!
//! `github.com/nats-io/nats-server/v2/server.(*client).readLoop` is long, and its end says most: it
//! is told as `server.(*client).readLoop`. What a package is called is taken to be the last element
//! of its path, or the one before where the last is a version of its module (`/v2`), and without
//! `.v3` as in `gopkg.in/yaml.v3`. JSON has the whole names.
//!
//! Does not know what packages call themselves: a package may have another name than its path.

/// Shortens all paths in a name, those in brackets of generics too; what is quoted stays.
pub(crate) fn short(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    // Where the path begins that may end here.
    let mut path = 0;
    let (mut quoted, mut escaped) = (false, false);
    for (at, char) in name.char_indices() {
        if quoted {
            quoted = char != '"' || escaped;
            escaped = char == '\\' && !escaped;
        } else if is_of_path(char) {
            continue;
        } else {
            out += &last(name.get(path..at).unwrap_or_default());
            quoted = char == '"';
        }
        out.push(char);
        path = at + char.len_utf8();
    }
    out + &last(name.get(path..).unwrap_or_default())
}

/// What paths and the names behind them are made of: import paths are letters of ASCII, digits and
/// some signs, and the linker writes other bytes and dots of the last element as `%2e`.
fn is_of_path(char: char) -> bool {
    char.is_alphanumeric() || "-._~/%+!@$·".contains(char)
}

/// A name without its path.
fn last(name: &str) -> String {
    let Some((path, own)) = name.rsplit_once('/') else {
        return name.to_owned();
    };
    let (package, rest) = own.split_once('.').unwrap_or((own, ""));
    let before = path.rsplit('/').next().unwrap_or_default();
    let package = match is_version(package) && !before.is_empty() {
        true => before,
        false => package,
    };
    let package = package.replace("%2e", ".");
    let package = match package.rsplit_once('.') {
        Some((package, version)) if is_version(version) => package,
        _ => &*package,
    };
    match own.contains('.') {
        true => format!("{package}.{rest}"),
        false => package.to_owned(),
    }
}

/// Whether an element of a path is the major version of a module: from 2 on; `v0` and `v1` are
/// packages' own names.
fn is_version(element: &str) -> bool {
    let digits = element.strip_prefix('v').unwrap_or_default();
    !digits.is_empty()
        && !matches!(digits, "0" | "1")
        && digits.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_left_out_and_the_version_of_a_module_is_no_name() {
        for (name, wanted) in [
            ("main.main", "main.main"),
            ("main.(*T).f.func1", "main.(*T).f.func1"),
            ("sync/atomic.Pointer[main.V]", "atomic.Pointer[main.V]"),
            (
                "github.com/nats-io/nats-server/v2/server.(*Server).start",
                "server.(*Server).start",
            ),
            ("github.com/x/cache/v2.New", "cache.New"),
            ("github.com/x/cache/v2.(*T).get", "cache.(*T).get"),
            ("gopkg.in/yaml%2ev3.Node", "yaml.Node"),
            (
                "gopkg.in/natefinch/lumberjack%2ev2.(*L).Write",
                "lumberjack.(*L).Write",
            ),
            // A package of that name, not a version of a module.
            ("k8s.io/api/core/v1.Pod", "v1.Pod"),
            (
                "main.Cache[github.com/a/b.K,*github.com/a/c/v3.V]",
                "main.Cache[b.K,*c.V]",
            ),
            (
                "map[string]github.com/a/b.T groups",
                "map[string]b.T groups",
            ),
            // Tags are the program's text.
            (
                r#"struct { A x/y.T "json:\"a/b\"" }"#,
                r#"struct { A y.T "json:\"a/b\"" }"#,
            ),
            ("main.Ünïcødé", "main.Ünïcødé"),
            ("", ""),
            ("a/", ""),
        ] {
            assert_eq!(short(name), wanted, "{name}");
        }
    }
}
