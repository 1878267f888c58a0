//! Names that do not refer to ordinary files: `-` for standard input, and archives for the tables in them.

use std::sync::Arc;

use datafusion::{
    common::{DataFusionError, Result},
    datasource::listing::ListingTableUrl,
};
use glob::Pattern;
use lamcat_core::error::{Error, ErrorKind, Result as OwnResult};
use lamcat_formats::{Bundle, TableChoice};
use object_store::{ObjectMeta, path::Path};
use url::Url;

use super::{
    found::{Files, Lookup},
    names::url_of,
    spool::{SCHEME, Spool},
    unpacked::Unpacked,
};

/// The tables from standard input, which is read to its end when it is first used.
pub(super) async fn stdin(unpacked: &Unpacked) -> Result<Lookup> {
    lookup(&unpacked.spool, &Path::default(), unpacked.stdin().await?, &TableChoice::All)
}

/// Replaces archives by the tables in them; anything else is left unchanged.
pub(super) async fn unpacked(unpacked: &Unpacked, found: Lookup) -> Result<Lookup> {
    let Files::Listed { objects, .. } = &found.files else { return Ok(found) };
    let bundle = |object: &ObjectMeta| object.location.filename().and_then(Bundle::of_name);
    if objects.is_empty() || !objects.iter().all(|object| bundle(object).is_some()) {
        return Ok(found);
    }
    let server: Path = found.url.get_url().host_str().unwrap_or_default().into();
    let mut tables = Vec::new();
    for object in objects {
        let Some(bundle) = bundle(object) else { continue };
        let folder: Path = server.parts().chain(object.location.parts()).collect();
        tables.extend(unpacked.unpack(&found.store, object, bundle, folder).await?);
    }
    let folder = match objects.as_slice() {
        [only] => server.parts().chain(only.location.parts()).collect(),
        _ => server.parts().chain(found.url.prefix().parts()).collect(),
    };
    lookup(&unpacked.spool, &folder, &tables, &found.choice)
}

/// The chosen tables among those in a folder.
fn lookup(spool: &Arc<Spool>, folder: &Path, tables: &[ObjectMeta], choice: &TableChoice) -> Result<Lookup> {
    let root = Url::parse(&format!("{SCHEME}:///")).map_err(|e| DataFusionError::External(Box::new(e)))?;
    let root = ListingTableUrl::try_new(root, None)?;
    let objects = chosen(folder, tables, choice)?;
    let url = match objects.as_slice() {
        [only] => url_of(&root, &only.location, false)?,
        _ => url_of(&root, folder, true)?,
    };
    let files = Files::Listed { objects, whole: false };
    Ok(Lookup { store: spool.clone(), url, files, choice: TableChoice::All })
}

fn chosen(folder: &Path, tables: &[ObjectMeta], choice: &TableChoice) -> OwnResult<Vec<ObjectMeta>> {
    let path = |object: &ObjectMeta| {
        let rest = object.location.prefix_match(folder).into_iter().flatten();
        rest.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/")
    };
    let names = || tables.iter().map(path).collect::<Vec<_>>().join(", ");
    let none = |what: String| Err(Error::new(ErrorKind::Input, what).hint(format!("the archive has {}", names())));
    let found: Vec<ObjectMeta> = match choice {
        TableChoice::All => tables.to_vec(),
        TableChoice::First => tables.iter().take(1).cloned().collect(),
        TableChoice::Number(number) => {
            number.checked_sub(1).and_then(|at| tables.get(at)).cloned().into_iter().collect()
        }
        TableChoice::Name(name) => {
            let fits = |text: &str| text == name || Pattern::new(name).is_ok_and(|pattern| pattern.matches(text));
            let is_meant = |object: &&ObjectMeta| fits(&path(object)) || object.location.filename().is_some_and(fits);
            tables.iter().filter(is_meant).cloned().collect()
        }
    };
    if found.is_empty() { none(format!("the archive has no table '{choice}'")) } else { Ok(found) }
}
