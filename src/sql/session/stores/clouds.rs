//! The stores of cloud providers, with the credentials of the URL or the environment, or with anonymous access.

use std::{collections::BTreeMap, env, sync::Arc};

use lamcat_core::error::{Error, ErrorKind, Result, remember_secret};
use object_store::{
    StaticCredentialProvider,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey},
};

use super::{
    address::{AZURE_DOMAIN, Address, S3Host},
    hosts::{AMAZON_DOMAINS, FABRIC_DOMAIN},
    locate::Secret,
    profile,
};

/// Parts of the names of environment variables that hold secrets.
const SECRETS: [&str; 5] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "SAS"];
/// Suffixes of the names of environment variables that hold a path or another value that is not a secret.
const PLACES: [&str; 6] = ["_FILE", "_PATH", "_URI", "_URL", "_ENDPOINT", "_SKIP_SIGNATURE"];

/// Checks that a store supports the kind of credentials in its URL.
pub(super) fn check(address: &Address, secret: Option<&Secret>) -> Result<()> {
    let Some(secret) = secret else { return Ok(()) };
    let (user, query) = (secret.user.is_some(), secret.query.is_some());
    let refused = match address {
        Address::S3 { .. } if query => Some("a query; give a presigned address as it begins with https"),
        Address::Http { .. } | Address::S3 { .. } | Address::Local | Address::Spool => None,
        Address::Azure { .. } if user => Some("a password; give a shared access signature as ?sv=…&sig=…"),
        Address::Azure { .. } => {
            let signed = secret.query.as_deref().is_some_and(|query| pairs(query).any(|(key, _)| key == "sig"));
            (!signed).then_some("a query that is no shared access signature")
        }
        Address::Google { .. } if user => Some("a user; credentials are read from GOOGLE_SERVICE_ACCOUNT and the like"),
        Address::Google { .. } => Some("a query; give a signed address as it begins with https"),
    };
    match refused {
        None => Ok(()),
        Some(what) => {
            let (what, hint) = what.split_once("; ").unwrap_or((what, "leave it out"));
            Err(Error::new(ErrorKind::Config, format!("the URL has {what}")).at("store", address.url(None)).hint(hint))
        }
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).map(|(key, value)| (key.into_owned(), value.into_owned()))
}

/// The environment variables of a cloud provider; from now on their secrets are removed from all messages and logs.
fn variables(prefix: &str) -> BTreeMap<String, String> {
    let texts = env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
    let own: BTreeMap<String, String> =
        texts.filter(|(key, value)| key.starts_with(prefix) && !value.is_empty()).collect();
    for (key, value) in &own {
        if SECRETS.iter().any(|part| key.contains(part)) && !PLACES.iter().any(|end| key.ends_with(end)) {
            remember_secret(value);
        }
    }
    own
}

/// Opens an S3 bucket. The credentials are those of the URL, otherwise those of the environment, otherwise those of the
/// profile that the environment names or of the default profile; without any, requests are not signed. The machine's
/// metadata service is not asked, unless `AWS_METADATA_ENDPOINT` names it or `AWS_SKIP_SIGNATURE` is false.
pub(super) fn s3(bucket: &str, host: &S3Host, secret: Option<&Secret>) -> Result<AmazonS3Builder> {
    use AmazonS3ConfigKey as Key;

    let user = secret.and_then(|secret| secret.user.as_ref());
    let mut builder = AmazonS3Builder::new();
    for (name, value) in variables("AWS_") {
        // A session token belongs to the key of the environment.
        match name.to_ascii_lowercase().parse() {
            Ok(Key::Token) if user.is_some() => {}
            Ok(key) => builder = builder.with_config(key, value),
            Err(_) => {}
        }
    }
    if let Some((id, key)) = user {
        builder = builder.with_access_key_id(id).with_secret_access_key(key);
    } else if !s3_credentials(&builder) {
        builder = match profile::read()? {
            Some(profile) => profile.apply(builder),
            None => builder,
        };
    }
    let has = |builder: &AmazonS3Builder, key: Key| builder.get_config_value(&key).is_some();
    let asked = env::var_os("AWS_SKIP_SIGNATURE").is_some() || has(&builder, Key::MetadataEndpoint);
    if !s3_credentials(&builder) && !asked {
        builder = builder.with_skip_signature(true);
    }
    let endpoint = builder.get_config_value(&Key::S3Endpoint).or_else(|| builder.get_config_value(&Key::Endpoint));
    builder = match (host, &endpoint) {
        (S3Host::Amazon { region: Some(region), domain }, None) if *domain != AMAZON_DOMAINS[0] => {
            builder.with_region(region).with_endpoint(format!("https://s3.{region}.{domain}"))
        }
        (S3Host::Amazon { region: Some(region), .. }, _) => builder.with_region(region),
        (S3Host::Cloudflare { account }, None) => {
            builder.with_region("auto").with_endpoint(format!("https://{account}.r2.cloudflarestorage.com"))
        }
        _ => builder,
    };
    Ok(with_bucket(builder, bucket, endpoint.as_deref()))
}

fn s3_credentials(builder: &AmazonS3Builder) -> bool {
    use AmazonS3ConfigKey as Key;

    let all = |keys: &[Key]| keys.iter().all(|key| builder.get_config_value(key).is_some());
    all(&[Key::AccessKeyId])
        || all(&[Key::SecretAccessKey])
        || all(&[Key::WebIdentityTokenFile, Key::RoleArn])
        || all(&[Key::ContainerCredentialsRelativeUri])
        || all(&[Key::ContainerCredentialsFullUri, Key::ContainerAuthorizationTokenFile])
}

/// If bucket names are part of host names, this puts the bucket's name in front of the endpoint's host, unless it is
/// there already. Otherwise every bucket would be the one of the endpoint.
fn with_bucket(builder: AmazonS3Builder, bucket: &str, endpoint: Option<&str>) -> AmazonS3Builder {
    let hosted = builder.get_config_value(&AmazonS3ConfigKey::VirtualHostedStyleRequest);
    let builder = builder.with_bucket_name(bucket);
    match endpoint.and_then(|endpoint| endpoint.split_once("://")) {
        Some((scheme, host)) if hosted.as_deref() == Some("true") && !host.starts_with(&format!("{bucket}.")) => {
            let endpoint = format!("{scheme}://{bucket}.{host}");
            builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint)
        }
        _ => builder,
    }
}

/// Opens a bucket of Google Cloud Storage with the credentials of the environment or of `gcloud auth
/// application-default login`, or else with anonymous access. The metadata service is asked only if
/// `GOOGLE_SKIP_SIGNATURE` is false.
pub(super) fn google(bucket: &str) -> GoogleCloudStorageBuilder {
    use GoogleConfigKey as Key;

    variables("GOOGLE_");
    let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
    let given = [Key::ServiceAccount, Key::ServiceAccountKey, Key::ApplicationCredentials];
    let home = env::home_dir().map(|home| home.join(".config/gcloud/application_default_credentials.json"));
    let asked = env::var("GOOGLE_SKIP_SIGNATURE").ok();
    if given.iter().any(|key| builder.get_config_value(key).is_some())
        || home.is_some_and(|file| file.is_file())
        || asked.is_some_and(|skip| skip.eq_ignore_ascii_case("false"))
    {
        return builder;
    }
    let nobody = StaticCredentialProvider::new(GcpCredential { bearer: String::new() });
    builder.with_credentials(Arc::new(nobody)).with_skip_signature(true)
}

/// Opens an Azure container. If the environment names an account, its key, signature and endpoint are used for that
/// account only. Without credentials the container is read anonymously, and the metadata service is asked only if
/// `AZURE_SKIP_SIGNATURE` is false.
pub(super) fn azure(
    account: Option<&str>,
    container: &str,
    domain: &str,
    secret: Option<&Secret>,
) -> MicrosoftAzureBuilder {
    use AzureConfigKey as Key;

    let mut settings: Vec<(Key, String)> = variables("AZURE_")
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)))
        .collect();
    if let Ok(endpoint) = env::var("IDENTITY_ENDPOINT") {
        settings.push((Key::MsiEndpoint, endpoint));
    }
    let named = settings.iter().find(|(key, _)| *key == Key::AccountName).map(|(_, name)| name.clone());
    if account.is_some() && named.is_some() && named.as_deref() != account {
        settings.retain(|(key, _)| !matches!(key, Key::AccessKey | Key::SasKey | Key::Endpoint));
    }
    let query = secret.and_then(|secret| secret.query.as_deref());
    if query.is_some() {
        settings.retain(|(key, _)| !is_azure_credential(*key));
    }
    let truly = |wanted: Key| settings.iter().any(|(key, value)| *key == wanted && value.eq_ignore_ascii_case("true"));
    let asked = settings.iter().any(|(key, _)| *key == Key::SkipSignature || is_azure_credential(*key));
    let anonymous = query.is_none() && !asked && !truly(Key::UseEmulator) && !truly(Key::UseAzureCli);
    let has_endpoint = settings.iter().any(|(key, _)| *key == Key::Endpoint);

    let builder = settings.into_iter().fold(MicrosoftAzureBuilder::new(), |b, (key, value)| b.with_config(key, value));
    let mut builder = builder.with_container_name(container);
    if let Some(account) = account {
        builder = builder.with_account(account);
        if domain == FABRIC_DOMAIN {
            builder = builder.with_use_fabric_endpoint(true);
        } else if domain != AZURE_DOMAIN && !has_endpoint {
            builder = builder.with_endpoint(format!("https://{account}.blob.{domain}"));
        }
    }
    match query {
        Some(query) => builder.with_sas_authorization(pairs(query).collect::<Vec<_>>()),
        None if anonymous => builder.with_skip_signature(true),
        None => builder,
    }
}

/// Whether a setting is a credential.
fn is_azure_credential(key: AzureConfigKey) -> bool {
    use AzureConfigKey as Key;

    matches!(
        key,
        Key::AccessKey
            | Key::SasKey
            | Key::Token
            | Key::ClientId
            | Key::ClientSecret
            | Key::FederatedTokenFile
            | Key::MsiEndpoint
            | Key::ObjectId
            | Key::MsiResourceId
            | Key::FabricSessionToken
    )
}
