-- BP/RP spectra without gaps: coefficients that are missing or beyond the relevant bases, or a whole band, are predicted
-- from the others; measured ones are kept. Table `stars`: gaia_source joined with xp_continuous_mean_spectrum, as
-- `lamcat ingest --join` gives it.
WITH measured AS (
    SELECT
        source_id,
        ra,
        dec,
        phot_g_mean_mag,
        bp_n_relevant_bases,
        rp_n_relevant_bases,
        xp(bp_coefficients, rp_coefficients, phot_g_mean_mag, bp_n_relevant_bases, rp_n_relevant_bases) AS xp
    FROM stars
),
inpainted AS (
    SELECT
        source_id,
        ra,
        dec,
        phot_g_mean_mag,
        bp_n_relevant_bases,
        rp_n_relevant_bases,
        lam_inpaint(xp) AS coefficients,
        lam_spectrum_error(xp) AS coefficient_errors,
        lam_flags(xp) AS flags,
        lam_ood_score(xp) AS ood_score
    FROM measured
)
SELECT
    source_id,
    ra,
    dec,
    phot_g_mean_mag,
    bp_n_relevant_bases,
    rp_n_relevant_bases,
    coefficients,
    coefficient_errors,
    -- The coefficients are over the G flux in e-/s; the fluxes are not.
    arrow_cast(
        array_scale(
            xp_calibrate(coefficients[1:55], coefficients[56:110]),
            mag_to_flux(phot_g_mean_mag, 'g')
        ),
        'FixedSizeList(343, Float32)'
    ) AS flux,
    flags AS quality_flags,
    ood_score,
    ood_score IS NOT NULL AND flags & 512 = 0 AS in_training_domain,
    flags & 2 = 0 AS has_bp,
    flags & 4 = 0 AS has_rp
FROM inpainted;
