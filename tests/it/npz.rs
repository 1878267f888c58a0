//! Reads the reference vectors.

use std::{collections::BTreeMap, fs::File, path::Path};

use ndarray::{ArrayD, IxDyn, OwnedRepr};
use ndarray_npy::NpzReader;

/// Every array of a `.npz` file whose name `wanted` accepts, as f64.
pub fn read_npz(path: &Path, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, ArrayD<f64>> {
    let mut npz = NpzReader::new(File::open(path).unwrap()).unwrap();
    let names = npz.names().unwrap();
    names
        .into_iter()
        .map(|n| n.trim_end_matches(".npy").to_owned())
        .filter(|n| wanted(n))
        .map(|n| {
            let array = read_array(&mut npz, &n);
            (n, array)
        })
        .collect()
}

fn read_array(npz: &mut NpzReader<File>, name: &str) -> ArrayD<f64> {
    if let Ok(a) = npz.by_name::<OwnedRepr<f64>, IxDyn>(name) {
        return a;
    }
    if let Ok(a) = npz.by_name::<OwnedRepr<f32>, IxDyn>(name) {
        return a.mapv(f64::from);
    }
    let a: ArrayD<i64> = npz.by_name::<OwnedRepr<i64>, IxDyn>(name).unwrap();
    a.mapv(|x| x as f64)
}

/// The elements in row-major order.
pub fn flat(a: &ArrayD<f64>) -> Vec<f32> {
    a.iter().map(|x| *x as f32).collect()
}
