// New values of tensors that stand in a loaded model.
import type { LoadedModel } from "../runtime/loaded-model.js";
import type { HealedTensor } from "./tensors.js";

/** What tensors are put into. */
type Replaceable = Pick<LoadedModel, "replaceTensor">;

/** Does work with new values in the model; where it throws, an abort among others, the file's own are put back. */
export async function orRestored<T>(model: Replaceable, tensors: readonly HealedTensor[], work: () => Promise<T>): Promise<T> {
	try {
		return await work();
	} catch (error) {
		// Of a model that was freed meanwhile nothing can be put back; the first error says why.
		await restore(model, tensors).catch(() => {});
		throw error;
	}
}

/** Puts the file's own values back. */
export async function restore(model: Replaceable, tensors: readonly { readonly name: string }[]): Promise<void> {
	for (const { name } of tensors) await model.replaceTensor(name);
}

/** Does work while these values stand in the model, and puts the file's own back whatever happens. */
export async function whileHealed<T>(model: Replaceable, tensors: readonly HealedTensor[], work: () => Promise<T>): Promise<T> {
	try {
		for (const tensor of tensors) await model.replaceTensor(tensor.name, tensor);
		return await work();
	} finally {
		await restore(model, tensors);
	}
}
