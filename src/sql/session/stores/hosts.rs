//! The hosts of cloud providers: which bucket or container an `https` address refers to.

use lamcat_core::error::Result;
use url::Url;

use super::address::{AZURE_DOMAIN, Address, CLOUDFLARE_DOMAIN, S3Host, bad, decoded};

pub(super) const FABRIC_DOMAIN: &str = "fabric.microsoft.com";
/// The domains of Azure's clouds and of Microsoft Fabric.
const AZURE_DOMAINS: [&str; 4] = [AZURE_DOMAIN, FABRIC_DOMAIN, "core.chinacloudapi.cn", "core.usgovcloudapi.net"];
pub(super) const AMAZON_DOMAINS: [&str; 2] = ["amazonaws.com", "amazonaws.com.cn"];
const GOOGLE_HOST: &str = "storage.googleapis.com";

/// The bucket or container that an `https` address refers to, and the path in it.
pub(super) fn cloud(url: &Url, has_user: bool, query: Option<&str>) -> Result<Option<(Address, String)>> {
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" || url.port().is_some() {
        return Ok(None);
    }
    // Among the cloud providers, only Azure has a query that is valid for more than one address: a shared access
    // signature.
    let signed = query.is_some_and(|query| url::form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == "sig"));
    if !has_user
        && (query.is_none() || signed)
        && let Some((account, domain)) = azure_host(host)
    {
        let (container, path) = first_segment(url, "container")?;
        let account = Some(account.to_owned());
        return Ok(Some((Address::Azure { account, container, domain: domain.to_owned() }, path)));
    }
    if query.is_some() {
        return Ok(None);
    }
    if let Some((bucket, region, domain)) = amazon_host(host) {
        let host = S3Host::Amazon { region, domain };
        return bucket_or_first_segment(url, bucket).map(|(bucket, path)| Some((Address::S3 { bucket, host }, path)));
    }
    if let Some(rest) = host.strip_suffix(CLOUDFLARE_DOMAIN).and_then(|rest| rest.strip_suffix('.')) {
        let (bucket, account) =
            rest.rsplit_once('.').map_or((None, rest), |(bucket, account)| (Some(bucket.to_owned()), account));
        let host = S3Host::Cloudflare { account: account.to_owned() };
        return bucket_or_first_segment(url, bucket).map(|(bucket, path)| Some((Address::S3 { bucket, host }, path)));
    }
    if !has_user
        && let Some(rest) = host.strip_suffix(GOOGLE_HOST)
        && (rest.is_empty() || rest.ends_with('.'))
    {
        let bucket = rest.strip_suffix('.').map(str::to_owned);
        return bucket_or_first_segment(url, bucket).map(|(bucket, path)| Some((Address::Google { bucket }, path)));
    }
    Ok(None)
}

fn bucket_or_first_segment(url: &Url, bucket: Option<String>) -> Result<(String, String)> {
    match bucket {
        Some(bucket) => Ok((bucket, url.path().to_owned())),
        None => first_segment(url, "bucket"),
    }
}

/// The first segment of a path, which is a bucket or container, and the rest of the path.
fn first_segment(url: &Url, what: &str) -> Result<(String, String)> {
    let path = url.path().trim_start_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    if first.is_empty() {
        return Err(bad(url, &format!("names no {what}")).hint(format!("the {what} is the first part of its path")));
    }
    Ok((decoded(first), format!("/{rest}")))
}

/// Bucket, region and domain of an Amazon S3 address: `BUCKET.s3.REGION.amazonaws.com` and the like.
fn amazon_host(host: &str) -> Option<(Option<String>, Option<String>, &'static str)> {
    let domain = AMAZON_DOMAINS.into_iter().find(|domain| host.ends_with(domain))?;
    let rest = host.strip_suffix(domain)?.strip_suffix('.')?;
    let labels: Vec<&str> = rest.split('.').collect();
    let (bucket, region) = match labels.as_slice() {
        [bucket @ .., "s3"] => (bucket, None),
        [bucket @ .., "s3", "dualstack", region] | [bucket @ .., "s3", region] => (bucket, Some(*region)),
        [bucket @ .., last] => (bucket, Some(last.strip_prefix("s3-").filter(|region| is_region(region))?)),
        [] => return None,
    };
    let bucket = (!bucket.is_empty()).then(|| bucket.join("."));
    Some((bucket, region.map(str::to_owned), domain))
}

/// Whether a text looks like `eu-west-1`, unlike the other words that follow `s3-` in host names.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() >= 3 && parts[0].len() == 2 && text.ends_with(|c: char| c.is_ascii_digit())
}

/// Account and domain of an Azure address, for blobs or the data lake.
pub(super) fn azure_host(host: &str) -> Option<(&str, &'static str)> {
    let (account, rest) = host.split_once('.')?;
    let rest = rest.strip_prefix("dfs.").or_else(|| rest.strip_prefix("blob."))?;
    AZURE_DOMAINS.into_iter().find(|domain| *domain == rest).map(|domain| (account, domain))
}
