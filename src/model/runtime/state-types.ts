/** Types of hidden states kept between masks. */
export const stateTypes = ["F32", "F16"] as const;
export type StateType = (typeof stateTypes)[number];
