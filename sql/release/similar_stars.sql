-- Vectors in which similar stars are near: the model's perception of each spectrum, with labels to choose by. Table
-- `stars`: gaia_source joined with xp_continuous_mean_spectrum, as `lamcat ingest --join` gives it. To search the
-- catalogue:
--   SELECT source_id, cosine_distance(embedding, (SELECT embedding FROM catalogue WHERE source_id = …)) AS distance
--   FROM catalogue ORDER BY distance LIMIT 10
WITH contexts AS (
    SELECT
        source_id,
        ra,
        dec,
        phot_g_mean_mag,
        bp_rp,
        xp(bp_coefficients, rp_coefficients, phot_g_mean_mag, bp_n_relevant_bases, rp_n_relevant_bases) AS xp
    FROM stars
)
SELECT
    source_id,
    ra,
    dec,
    phot_g_mean_mag,
    bp_rp,
    lam_embed(xp) AS embedding,
    lam_infer(xp, 'teff') AS teff,
    lam_error(xp, 'teff') AS teff_error,
    lam_infer(xp, 'logg') AS logg,
    lam_error(xp, 'logg') AS logg_error,
    lam_infer(xp, 'm_h') AS m_h,
    lam_error(xp, 'm_h') AS m_h_error,
    lam_flags(xp) AS quality_flags,
    lam_ood_score(xp) AS ood_score
FROM contexts;
