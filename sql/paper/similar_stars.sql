-- Stars like a given one (after Leung & Bovy 2023): the perception of a spectrum is a vector, and similar stars are
-- near in its direction. Table `stars`: source_id, phot_g_mean_mag, and of each band the coefficients and their
-- n_relevant_bases, as the archive names them.

-- The vectors are kept, as each search reads all of them.
CREATE OR REPLACE TABLE embeddings AS
SELECT source_id, phot_g_mean_mag, bp_rp, spectrum, lam_embed(xp) AS embedding
FROM (
    SELECT
        source_id,
        phot_g_mean_mag,
        xp_synth_mag(bp_coefficients, rp_coefficients, 'BP')
        - xp_synth_mag(bp_coefficients, rp_coefficients, 'RP') AS bp_rp,
        xp(bp_coefficients, rp_coefficients, phot_g_mean_mag, bp_n_relevant_bases, rp_n_relevant_bases) AS xp,
        xp_calibrate(bp_coefficients, rp_coefficients, bp_n_relevant_bases, rp_n_relevant_bases) AS spectrum
    FROM stars
    WHERE phot_g_mean_mag BETWEEN 6 AND 16
);

-- The star asked about, one of the Sun's colour, and the five that are nearest to it.
CREATE OR REPLACE VIEW similar_stars AS
SELECT
    row_number() OVER (ORDER BY distance, source_id) - 1 AS rank,
    source_id,
    phot_g_mean_mag,
    bp_rp,
    distance,
    spectrum
FROM (
    SELECT e.*, cosine_distance(e.embedding, q.embedding) AS distance
    FROM embeddings AS e
    CROSS JOIN (
        SELECT embedding
        FROM embeddings
        WHERE embedding IS NOT NULL AND phot_g_mean_mag < 14
        ORDER BY abs(bp_rp - 0.82)
        LIMIT 1
    ) AS q
    WHERE e.embedding IS NOT NULL
)
ORDER BY distance
LIMIT 6;

SELECT rank, source_id, phot_g_mean_mag, bp_rp, distance FROM similar_stars ORDER BY rank;

-- plot: kind=line x=wavelength y=flux group=star title='A star and the five most similar'
-- plot: x-label='wavelength [nm]' y-label='flux over G flux [W m⁻² nm⁻¹ / (e⁻ s⁻¹)]'
-- Spectra over their G fluxes, by cosine distance from the star asked about.
SELECT
    CASE WHEN rank = 0 THEN 'asked about' ELSE rank || ': ' || round(distance, 5) END AS star,
    unnest(xp_wavelength()) AS wavelength,
    unnest(spectrum) / mag_to_flux(phot_g_mean_mag, 'g') AS flux
FROM similar_stars
ORDER BY rank, wavelength;
