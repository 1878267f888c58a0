-- Real stars with labels, colours and parallaxes but without spectra (benches/peers/green2020_to_parquet.py), those that
-- sql/train_default.sql leaves out. Table `green2020`.
SELECT
    bp_rp AS bprp,
    j_h AS jh,
    j_k AS jk,
    teff,
    teff_error,
    logg,
    logg_error,
    m_h,
    m_h_error,
    CASE
        WHEN ebv > 0 THEN ln(ebv)
        WHEN ebv <= 0 THEN -7
    END AS logebv,
    CASE WHEN parallax_error <= 0.1 THEN fakemag(parallax, phot_g_mean_mag) END AS g_fakemag,
    CASE WHEN parallax_error <= 0.1 THEN fakemag_error(parallax, parallax_error, phot_g_mean_mag) END AS g_fakemag_error
FROM green2020
WHERE split = 'test'
    AND phot_g_mean_mag BETWEEN 6 AND 17.5
    AND bp_rp BETWEEN 0 AND 4;
