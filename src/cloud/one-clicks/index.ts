export { type Application, applications, applicationVendorData } from './catalogue.ts';
export { oneClicksOperations } from './routes.ts';
