/** X.509's times without a Date: the calendar arithmetic of Howard Hinnant's "chrono-compatible date algorithms". */
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "../base/time.ts";

/** Days from 1970-01-01 to a date of the Gregorian calendar. */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function civilFromDays(days: number): { year: number; month: number; day: number } {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const mp = Math.floor((5 * dayOfYear + 2) / 153);
  const month = mp < 10 ? mp + 3 : mp - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * mp + 2) / 5) + 1,
  };
}

const two = (value: number): string => String(value).padStart(2, "0");

/** `YYMMDDHHMMSSZ` up to the year 2049, `YYYYMMDDHHMMSSZ` from 2050 on; whole seconds, rounded down. */
export function formatTime(wallMs: number): string {
  const days = Math.floor(wallMs / DAY_MS);
  const rest = wallMs - days * DAY_MS;
  const { year, month, day } = civilFromDays(days);
  const hour = Math.floor(rest / HOUR_MS);
  const minute = Math.floor((rest % HOUR_MS) / MINUTE_MS);
  const second = Math.floor((rest % MINUTE_MS) / SECOND_MS);
  const tail = [month, day, hour, minute, second].map(two).join("");
  const short = year >= 1950 && year < 2050;
  return `${short ? two(year % 100) : String(year).padStart(4, "0")}${tail}Z`;
}

const FORM = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

/** Wall milliseconds; undefined for any other form, and for a date that does not exist. */
export function parseTime(text: string): number | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [first, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number, number, number, number, number, number,
  ];
  const year = match[1]!.length === 4 ? first : first < 50 ? 2000 + first : 1900 + first;
  const days = daysFromCivil(year, month, day);
  const back = civilFromDays(days);
  if (back.month !== month || back.day !== day || hour > 23 || minute > 59 || second > 59) return undefined;
  return days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS;
}
