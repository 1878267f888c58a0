-- Stellar parameters with errors from Gaia's BP/RP spectra. Table `stars`: gaia_source joined with
-- xp_continuous_mean_spectrum, as `lamcat ingest --join` gives it. The model gives a mean and a 1-sigma error of each
-- quantity; `_lower` and `_upper` are the ends of the central 68 %, from mean - sigma to mean + sigma in the quantity
-- that the model was trained on, which for ebv is its logarithm and for distance the pseudo-luminosity.
WITH contexts AS (
    SELECT
        source_id,
        ra,
        dec,
        phot_g_mean_mag,
        bp_rp,
        lam_context(
            xp(bp_coefficients, rp_coefficients, phot_g_mean_mag, bp_n_relevant_bases, rp_n_relevant_bases),
            bprp => bp_rp
        ) AS context
    FROM stars
),
labels AS (
    SELECT
        source_id,
        ra,
        dec,
        phot_g_mean_mag,
        bp_rp,
        lam_infer(context, 'teff') AS teff,
        lam_error(context, 'teff') AS teff_error,
        lam_infer(context, 'logg') AS logg,
        lam_error(context, 'logg') AS logg_error,
        lam_infer(context, 'm_h') AS m_h,
        lam_error(context, 'm_h') AS m_h_error,
        lam_infer(context, 'logebv') AS logebv,
        lam_error(context, 'logebv') AS logebv_error,
        lam_infer(context, 'g_fakemag') AS fakemag,
        lam_error(context, 'g_fakemag') AS fakemag_error,
        -- fakemag = parallax [mas] 10^(0.2 G): the distance in pc is this over fakemag. G is the observed one in both,
        -- so that extinction cancels.
        1000 * power(10, 0.2 * phot_g_mean_mag) AS scale,
        lam_flags(context) AS flags,
        lam_ood_score(context) AS ood_score
    FROM contexts
)
SELECT
    source_id,
    ra,
    dec,
    phot_g_mean_mag,
    bp_rp,
    teff,
    teff_error,
    teff - teff_error AS teff_lower,
    teff + teff_error AS teff_upper,
    logg,
    logg_error,
    logg - logg_error AS logg_lower,
    logg + logg_error AS logg_upper,
    m_h,
    m_h_error,
    m_h - m_h_error AS m_h_lower,
    m_h + m_h_error AS m_h_upper,
    exp(logebv) AS ebv,
    exp(logebv) * logebv_error AS ebv_error,
    exp(logebv - logebv_error) AS ebv_lower,
    exp(logebv + logebv_error) AS ebv_upper,
    -- Where the pseudo-luminosity is not positive there is no distance, and no upper end where mean - sigma is not.
    CASE WHEN fakemag > 0 THEN CAST(scale / fakemag AS REAL) END AS distance,
    CASE WHEN fakemag > 0 THEN CAST(scale / fakemag * fakemag_error / fakemag AS REAL) END AS distance_error,
    CASE WHEN fakemag > 0 THEN CAST(scale / (fakemag + fakemag_error) AS REAL) END AS distance_lower,
    CASE WHEN fakemag > fakemag_error THEN CAST(scale / (fakemag - fakemag_error) AS REAL) END AS distance_upper,
    flags AS quality_flags,
    ood_score,
    -- Bit 512: the score exceeds the model's threshold.
    ood_score IS NOT NULL AND flags & 512 = 0 AS in_training_domain,
    flags & 2 = 0 AS has_bp,
    flags & 4 = 0 AS has_rp,
    bp_rp IS NOT NULL AS has_colour
FROM labels;
