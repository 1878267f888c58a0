-- A training set after that of Leung & Bovy (2023, section 3) from the archives' own tables: the stars of APOGEE DR17 with
-- what Gaia and 2MASS say of them. For `lamcat train`, over these tables or views, columns named as the archives name them:
--   gaia_source, xp_continuous_mean_spectrum                   Gaia DR3
--   tmass_psc_xsc_best_neighbour, tmass_psc_xsc_join           Gaia DR3's cross-match to 2MASS
--   tmass_original_valid                                       2MASS, as Gaia DR1 holds it
--   apogee                                                     APOGEE DR17 allStar, its upper-case names in quotes
--   dust (source_id, ebv)                                      E(B-V) in mag of each star, from a dust map
-- A star without an XP spectrum, or that 2MASS or the dust map lacks, stays, with missing tokens.
WITH two_mass AS (
    SELECT n.source_id, t.j_m, t.h_m, t.ks_m, t.j_msigcom, t.h_msigcom, t.ks_msigcom
    FROM tmass_psc_xsc_best_neighbour AS n
    JOIN tmass_psc_xsc_join AS j ON j.clean_tmass_psc_xsc_oid = n.clean_tmass_psc_xsc_oid
    JOIN tmass_original_valid AS t ON t.designation = j.original_psc_source_id
),
-- One row per star (bit 4 of EXTRATARG marks further observations of it). Its labels count if its spectrum and fit are
-- trusted: no bit of STARFLAG, and neither M_H_BAD's bit 19 nor STAR_BAD's bit 23 of ASPCAPFLAG. APOGEE has NaN where it
-- has no value.
observed AS (
    SELECT "GAIAEDR3_SOURCE_ID" AS source_id, *, "STARFLAG" = 0 AND "ASPCAPFLAG" & (524288 + 8388608) = 0 AS trusted
    FROM apogee
    WHERE "EXTRATARG" & 16 = 0
),
-- Magnitudes without an error are upper limits.
colours AS (
    SELECT
        source_id,
        CASE WHEN j_msigcom IS NOT NULL AND h_msigcom IS NOT NULL THEN j_m - h_m END AS jh,
        sqrt(j_msigcom * j_msigcom + h_msigcom * h_msigcom) AS jh_error,
        CASE WHEN j_msigcom IS NOT NULL AND ks_msigcom IS NOT NULL THEN j_m - ks_m END AS jk,
        sqrt(j_msigcom * j_msigcom + ks_msigcom * ks_msigcom) AS jk_error
    FROM two_mass
),
stars AS (
    SELECT
        *,
        parallax - coalesce(
            parallax_zero_point(
                phot_g_mean_mag,
                nu_eff_used_in_astrometry,
                pseudocolour,
                ecl_lat,
                astrometric_params_solved
            ),
            0
        ) AS corrected_parallax
    FROM gaia_source
    WHERE phot_g_mean_mag > 6 AND phot_g_mean_mag < 17.5
        AND bp_rp > 0 AND bp_rp < 4
        AND ruwe < 1.4
        AND phot_bp_rp_excess_factor < 2
)
SELECT
    xp(x.bp_coefficients, x.rp_coefficients, s.phot_g_mean_mag, x.bp_n_relevant_bases, x.rp_n_relevant_bases) AS xp,
    xp(
        x.bp_coefficient_errors,
        x.rp_coefficient_errors,
        s.phot_g_mean_mag,
        x.bp_n_relevant_bases,
        x.rp_n_relevant_bases
    ) AS xp_error,
    s.bp_rp AS bprp,
    t.jh,
    t.jh_error,
    t.jk,
    t.jk_error,
    CASE WHEN o.trusted THEN o."TEFF" END AS teff,
    o."TEFF_ERR" AS teff_error,
    CASE WHEN o.trusted THEN o."LOGG" END AS logg,
    o."LOGG_ERR" AS logg_error,
    CASE WHEN o.trusted THEN o."M_H" END AS m_h,
    o."M_H_ERR" AS m_h_error,
    CASE
        WHEN d.ebv > 10 THEN NULL
        WHEN d.ebv > 0 THEN ln(d.ebv)
        WHEN d.ebv <= 0 THEN -7
    END AS logebv,
    CASE WHEN s.parallax_error <= 0.1 THEN fakemag(s.corrected_parallax, s.phot_g_mean_mag) END AS g_fakemag,
    CASE WHEN s.parallax_error <= 0.1 THEN fakemag_error(s.corrected_parallax, s.parallax_error, s.phot_g_mean_mag)
    END AS g_fakemag_error
FROM observed AS o
JOIN stars AS s ON s.source_id = o.source_id
LEFT JOIN xp_continuous_mean_spectrum AS x ON x.source_id = s.source_id
LEFT JOIN colours AS t ON t.source_id = s.source_id
LEFT JOIN dust AS d ON d.source_id = s.source_id;
