-- Half a spectrum from the other half (after Leung & Bovy 2023): RP from BP, and BP from RP. Table `stars`:
-- source_id, phot_g_mean_mag, and of each band the coefficients and their n_relevant_bases, as the archive names them.
CREATE OR REPLACE VIEW halves AS
WITH measured AS (
    SELECT
        source_id,
        phot_g_mean_mag AS g,
        bp_n_relevant_bases,
        rp_n_relevant_bases,
        xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS whole,
        xp(bp_coefficients, NULL, phot_g_mean_mag, bp_n_relevant_bases, rp_n_relevant_bases) AS bp_only,
        xp(NULL, rp_coefficients, phot_g_mean_mag, bp_n_relevant_bases, rp_n_relevant_bases) AS rp_only
    FROM stars
    WHERE phot_g_mean_mag BETWEEN 6 AND 17.5
),
predicted AS (
    SELECT
        *,
        lam_inpaint(bp_only) AS from_bp,
        lam_spectrum_error(bp_only) AS from_bp_error,
        lam_inpaint(rp_only) AS from_rp,
        lam_spectrum_error(rp_only) AS from_rp_error
    FROM measured
)
-- Fluxes of a star with 1 e-/s in G. Each half by its own band: BP up to 640 nm, RP from 640 nm.
SELECT
    source_id,
    g,
    xp_wavelength() AS wavelength,
    xp_calibrate(whole[1:55], whole[56:110], bp_n_relevant_bases, rp_n_relevant_bases) AS measured,
    xp_calibrate(NULL, from_bp[56:110]) AS rp_from_bp,
    xp_calibrate_error(NULL, NULL, from_bp_error[56:110], array_repeat(0.0, 1485)) AS rp_from_bp_error,
    xp_calibrate(from_rp[1:55], NULL) AS bp_from_rp,
    xp_calibrate_error(from_rp_error[1:55], array_repeat(0.0, 1485), NULL, NULL) AS bp_from_rp_error
FROM predicted;

-- The residuals: median of (inpainted - measured) / measured, and of its size, over stars and wavelengths.
SELECT
    CASE WHEN g < 15 THEN 'brighter than 15' ELSE '15 and fainter' END AS g,
    count(DISTINCT source_id) AS stars,
    median(rp_from_bp / measured - 1) AS rp_bias,
    1.4826 * median(abs(rp_from_bp / measured - 1)) AS rp_scatter,
    median(bp_from_rp / measured - 1) AS bp_bias,
    1.4826 * median(abs(bp_from_rp / measured - 1)) AS bp_scatter
FROM (
    SELECT
        source_id,
        g,
        unnest(wavelength) AS wavelength,
        unnest(measured) AS measured,
        unnest(rp_from_bp) AS rp_from_bp,
        unnest(bp_from_rp) AS bp_from_rp
    FROM halves
)
WHERE measured > 0 AND wavelength BETWEEN 400 AND 1000
GROUP BY 1
ORDER BY 1;

-- plot: kind=line x=wavelength y=measured,rp_from_bp,bp_from_rp title='Half of a spectrum from the other half'
-- plot: x-label='wavelength [nm]' y-label='flux over G flux [W m⁻² nm⁻¹ / (e⁻ s⁻¹)]'
-- A star of the Sun's colour: its measured spectrum, RP as the model gives it from BP alone, and BP from RP alone.
SELECT
    unnest(wavelength) AS wavelength,
    unnest(measured) AS measured,
    unnest(rp_from_bp) AS rp_from_bp,
    unnest(rp_from_bp_error) AS rp_from_bp_error,
    unnest(bp_from_rp) AS bp_from_rp,
    unnest(bp_from_rp_error) AS bp_from_rp_error
FROM halves
WHERE source_id = (
    SELECT source_id
    FROM stars
    WHERE phot_g_mean_mag BETWEEN 6 AND 14
    ORDER BY abs(
        xp_synth_mag(bp_coefficients, rp_coefficients, 'BP') - xp_synth_mag(bp_coefficients, rp_coefficients, 'RP') - 0.82
    )
    LIMIT 1
);
