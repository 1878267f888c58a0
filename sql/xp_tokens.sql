-- What the model is asked with: spectra over the G flux, colour and pseudo-luminosity, from the archive's two tables as
-- `lamcat ingest` or the files themselves give them. The cuts are those of the model's training set (Leung & Bovy 2023,
-- section 3); a source outside them is kept, and flagged by lam_flags.
CREATE OR REPLACE VIEW xp_tokens AS
SELECT
    s.source_id,
    s.ra,
    s.dec,
    s.phot_g_mean_mag,
    lam_context(
        xp(
            x.bp_coefficients,
            x.rp_coefficients,
            s.phot_g_mean_mag,
            x.bp_n_relevant_bases,
            x.rp_n_relevant_bases
        ),
        bprp => s.bp_rp,
        -- The pseudo-luminosity means something where the parallax does.
        g_fakemag => CASE
            WHEN s.parallax_error < 0.1 AND s.ruwe < 1.4
            THEN fakemag(
                s.parallax - coalesce(
                    parallax_zero_point(
                        s.phot_g_mean_mag,
                        s.nu_eff_used_in_astrometry,
                        s.pseudocolour,
                        s.ecl_lat,
                        s.astrometric_params_solved
                    ),
                    0
                ),
                s.phot_g_mean_mag
            )
        END
    ) AS context,
    s.phot_g_mean_mag BETWEEN 6 AND 17.5 AND s.bp_rp BETWEEN 0 AND 4 AND s.ruwe < 1.4 AS within_training_cuts
FROM xp_continuous AS x
JOIN gaia_source AS s ON s.source_id = x.source_id;
