//! Asks the model for labels of stars in a table of your own: `cargo run --example labels`. It links the crate
//! of Gaia, whose functions the session has for that reason alone.

use arrow::util::pretty::print_batches;
use lamcat_gaia::sample;
use lamcat_sql::session::{Session, SessionOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session = Session::new(&SessionOptions::default())?;
    // Any table of DataFusion will do: here ten made-up sources with the columns of the archive, from a seed.
    session.context().register_batch("stars", sample(10, 1)?)?;
    let labels = session
        .sql(
            "SELECT source_id, round(lam_infer(x, 'teff')) AS teff, round(lam_error(x, 'teff')) AS teff_error, \
             lam_flags(x) AS flags FROM (SELECT source_id, xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS x \
             FROM stars)",
        )
        .await?
        .collect()
        .await?;
    print_batches(&labels)?;
    Ok(())
}
