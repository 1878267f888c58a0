-- Spectra of stars that nobody observed (after Leung & Bovy 2023): labels in, 110 coefficients and a luminosity
-- out, and through the design matrices of the external calibration the flux. Needs no table.
--
-- The coefficients are over the G flux in e-/s, so the flux is that of a star with 1 e-/s in G. The luminosity that the
-- model gives beside them, g_fakemag = parallax [mas] 10^(0.2 G), is that G flux for a star at a known parallax:
-- G = 5 log10(g_fakemag / parallax). Here every star is at 1 kpc.
CREATE OR REPLACE VIEW generated AS
WITH labels AS (
    SELECT
        teff,
        lam_context(
            teff => teff,
            logg => logg,
            m_h => 0.0,
            -- Hardly any dust.
            logebv => -6.0
        ) AS context
    FROM (
        -- The red-giant branch of solar metallicity.
        SELECT value AS teff, 3.65 - (5200 - value) / 441.0 AS logg FROM generate_series(4000, 5000, 200)
    )
),
predicted AS (
    SELECT
        teff,
        lam_spectrum(context) AS coefficient,
        lam_spectrum_error(context) AS coefficient_error,
        5 * log10(lam_infer(context, 'g_fakemag')) AS g
    FROM labels
)
SELECT
    teff,
    g,
    xp_wavelength() AS wavelength,
    -- Flux of 1 e-/s in G, times the star's e-/s.
    xp_calibrate(coefficient[1:55], coefficient[56:110]) AS flux_per_g,
    xp_calibrate_error(
        coefficient_error[1:55],
        array_repeat(0.0, 1485),
        coefficient_error[56:110],
        array_repeat(0.0, 1485)
    ) AS flux_per_g_error,
    mag_to_flux(g, 'g') AS g_flux
FROM predicted;

-- plot: kind=line x=wavelength y=flux_per_g group=teff title='Spectra from labels alone: the giant branch, by temperature'
-- plot: x-label='wavelength [nm]' y-label='flux over G flux [W m⁻² nm⁻¹ / (e⁻ s⁻¹)]'
-- Red giants of solar metallicity without dust, by effective temperature in K, with the errors that the model gives for
-- its coefficients. As they would be seen at 1 kpc: --y flux --log-y.
SELECT
    teff,
    g,
    wavelength,
    flux_per_g,
    flux_per_g_error,
    flux_per_g * g_flux AS flux
FROM (
    SELECT
        teff,
        g,
        g_flux,
        unnest(wavelength) AS wavelength,
        unnest(flux_per_g) AS flux_per_g,
        unnest(flux_per_g_error) AS flux_per_g_error
    FROM generated
)
ORDER BY teff, wavelength;
