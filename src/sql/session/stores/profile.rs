//! Profiles of the AWS command-line tools: keys, region and endpoint in `~/.aws/credentials` and `~/.aws/config`.

use std::{collections::BTreeMap, env, path::PathBuf};

use ini::{Ini, ParseOption};
use lamcat_core::error::{Error, ErrorKind, Result, remember_secret};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};

/// The settings of a profile, under the names that its files use.
pub(super) struct Profile(BTreeMap<String, String>);

/// The profile that `AWS_PROFILE` names, otherwise the default profile; `None` if it does not exist or has no keys.
///
/// # Errors
/// If a file cannot be read, or the named profile does not exist or has no keys.
pub(super) fn read() -> Result<Option<Profile>> {
    let named = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].into_iter().find_map(|name| env::var(name).ok());
    let named = named.filter(|name| !name.is_empty());
    let name = named.as_deref().unwrap_or("default");
    let section = if name == "default" { name.to_owned() } else { format!("profile {name}") };
    let mut values = BTreeMap::new();
    let mut found = false;
    for (variable, file, section) in
        [("AWS_CONFIG_FILE", "config", section.as_str()), ("AWS_SHARED_CREDENTIALS_FILE", "credentials", name)]
    {
        let Some(path) = place(variable, file) else { continue };
        let Some(section) = parse(&path)?.remove(section) else { continue };
        found = true;
        values.extend(section);
    }
    let profile = Profile(values);
    if profile.opens() {
        return Ok(Some(profile));
    }
    match named {
        None => Ok(None),
        Some(name) => {
            let message = if found { "the profile has no keys" } else { "there is no such profile" };
            let error = Error::new(ErrorKind::Config, message).at("AWS_PROFILE", name);
            Err(error
                .hint("let the AWS tools give its keys: eval \"$(aws configure export-credentials --format env)\""))
        }
    }
}

fn place(variable: &str, file: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from);
    named.or_else(|| env::home_dir().map(|home| home.join(".aws").join(file))).filter(|path| path.is_file())
}

/// The sections of a file.
fn parse(path: &PathBuf) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    // Keys may contain any character.
    let options = ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    let unreadable =
        |e: ini::Error| Error::new(ErrorKind::Config, "cannot read the profiles").at("file", path.display()).source(e);
    let file = Ini::load_from_file_opt(path, options).map_err(unreadable)?;
    let sections = file.iter().filter_map(|(name, values)| Some((name?.trim().to_owned(), values)));
    let owned = |(key, value): (&str, &str)| (key.trim().to_lowercase(), value.trim().to_owned());
    Ok(sections.map(|(name, values)| (name, values.iter().map(owned).collect())).collect())
}

impl Profile {
    fn opens(&self) -> bool {
        let all = |keys: [&str; 2]| keys.iter().all(|key| self.0.get(*key).is_some_and(|value| !value.is_empty()));
        all(["aws_access_key_id", "aws_secret_access_key"]) || all(["web_identity_token_file", "role_arn"])
    }

    /// Adds the profile's keys, and its region and endpoint if the environment does not set them.
    pub(super) fn apply(&self, mut builder: AmazonS3Builder) -> AmazonS3Builder {
        use AmazonS3ConfigKey as Key;

        for (name, key) in [
            ("aws_access_key_id", Key::AccessKeyId),
            ("aws_secret_access_key", Key::SecretAccessKey),
            ("aws_session_token", Key::Token),
            ("web_identity_token_file", Key::WebIdentityTokenFile),
            ("role_arn", Key::RoleArn),
            ("role_session_name", Key::RoleSessionName),
            ("region", Key::Region),
            ("endpoint_url", Key::Endpoint),
        ] {
            if let Some(value) = self.0.get(name).filter(|_| builder.get_config_value(&key).is_none()) {
                if matches!(key, Key::SecretAccessKey | Key::Token) {
                    remember_secret(value);
                }
                builder = builder.with_config(key, value);
            }
        }
        builder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_with_any_character_in_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let text = "# keys\n[default]\naws_access_key_id = AKIAONE\naws_secret_access_key = a/b+c\\d=\n[profile x]\nregion=r\n";
        std::fs::write(&path, text).unwrap();
        let sections = parse(&path).unwrap();
        let profile = Profile(sections["default"].clone());
        assert!(profile.opens() && !Profile(sections["profile x"].clone()).opens());
        let builder = profile.apply(AmazonS3Builder::new());
        let secret = builder.get_config_value(&AmazonS3ConfigKey::SecretAccessKey);
        assert_eq!(secret.as_deref(), Some("a/b+c\\d="));
    }
}
