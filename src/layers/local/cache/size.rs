//! Sizes as people write them: `10GB`, `512 MiB`, `1500000`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no size; expected bytes or a number with kB, MB, GB or TB (KiB, MiB, GiB, TiB)"
            )
        };
        let text_end = text.trim();
        let digits = text_end
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text_end.len());
        let (number, unit) = text_end.split_at(digits);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1000,
            "m" | "mb" => 1_000_000,
            "g" | "gb" => 1_000_000_000,
            "t" | "tb" => 1_000_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return Err(wrong()),
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        if part.is_empty() || part.len() > 3 {
            return Err(wrong());
        }
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let thousandths: u64 = format!("{part:0<3}").parse().map_err(|_| wrong())?;
        let bytes = whole
            .checked_mul(factor)
            .zip(factor.checked_mul(thousandths))
            .and_then(|(whole, part)| whole.checked_add(part / 1000));
        bytes.map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    /// `512 B`, `1.5 MB`: powers of ten, as registries and disks count.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tenths = self.0.saturating_mul(10);
        let mut unit = None;
        for larger in ["kB", "MB", "GB", "TB"] {
            if tenths < 10_000 {
                break;
            }
            tenths /= 1000;
            unit = Some(larger);
        }
        match unit {
            None => write!(f, "{} B", self.0),
            Some(unit) => write!(f, "{}.{} {unit}", tenths / 10, tenths % 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let of = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(of("1500000"), Ok(1_500_000));
        assert_eq!(of("10GB"), Ok(10_000_000_000));
        assert_eq!(of("1.5 GiB"), Ok(1_610_612_736));
        assert_eq!(of("0"), Ok(0));
        for wrong in ["", "GB", "-1", "1.2345GB", "10 apples", "99999999999TB"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
