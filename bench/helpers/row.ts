/** One line of the table. Without `most` and `least` it is there to compare with. */
export interface Row {
  what: string;
  measured: number;
  unit?: string;
  most?: number;
  least?: number;
  /** What the number was made of, and how much it varied. */
  detail: string;
}

/** Undefined for a row without a target. */
export function ok({ measured, most, least }: Row): boolean | undefined {
  if (most === undefined && least === undefined) return undefined;
  return (
    measured <= (most ?? Number.POSITIVE_INFINITY) &&
    measured >= (least ?? Number.NEGATIVE_INFINITY)
  );
}
