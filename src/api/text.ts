// Options and results of evaluateModel.
export * from "../model/evaluation/text-types.js";
